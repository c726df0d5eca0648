// Solutions of one model: one greedy a problem, and samples a seed and problem. Decoding runs on onnxruntime on every backend.

import { policyPrompt } from "../../shared/prompts.ts";
import type { SamplingOptions } from "../../shared/sampling.ts";
import type { T5Config } from "../../shared/t5-config.ts";
import type { TextTokenizer } from "../../shared/tokenizer.ts";
import { createProgress } from "../io/progress.ts";
import { GREEDY, openOnnxGenerator } from "../onnx/decode/onnx-generate.ts";

export interface Solution {
  text: string;
  /** Tokens written, EOS included. */
  tokens: number;
  /** Ended by itself, not by the longest length. */
  finished: boolean;
}

export interface SeedSolutions {
  seed: number;
  /** Indices of the problems, and the samples of each. */
  indices: number[];
  samples: Solution[][];
}

export interface SolveOptions {
  maxNewTokens: number;
  /** Title of the progress bars: the model's name. */
  name: string;
  signal?: AbortSignal | undefined;
}

export interface SamplePlan {
  samples: number;
  sampling: SamplingOptions;
  /** Problems of each seed. */
  bySeed: readonly { seed: number; indices: number[] }[];
}

/** Greedy solutions of all prompts, and samples when there is a plan for them. */
export async function solveAll(
  modelDir: string,
  tokenizer: TextTokenizer,
  prompts: readonly string[],
  options: SolveOptions & { plan?: SamplePlan | undefined },
): Promise<{ greedy: Solution[]; sampled: SeedSolutions[] }> {
  const { plan, maxNewTokens, name, signal } = options;
  const generator = await openOnnxGenerator(modelDir);
  const ids = prompts.map((prompt) => tokenizer.encode(policyPrompt(prompt)));
  const decode = async (
    title: string,
    indices: readonly number[],
    request: { samples: number; sampling: SamplingOptions; seed: number },
  ): Promise<Solution[][]> => {
    const bar = createProgress({ title, total: indices.length });
    try {
      const rows = await generator.generate(
        indices.map((i) => ids[i] ?? []),
        {
          ...request,
          maxNewTokens,
          onProgress: (done) => bar.update(done),
          ...(signal && { signal }),
        },
      );
      return rows.map((samples) => samples.map((row) => solutionOf(row, generator.config, tokenizer)));
    } finally {
      bar.stop();
    }
  };
  try {
    const all = prompts.map((_, i) => i);
    const greedy = (await decode(`solve (${name})`, all, { samples: 1, sampling: GREEDY, seed: 0 })).flat();
    const sampled: SeedSolutions[] = [];
    for (const { seed, indices } of plan?.bySeed ?? []) {
      const request = { samples: plan?.samples ?? 1, sampling: plan?.sampling ?? GREEDY, seed };
      sampled.push({ seed, indices, samples: await decode(`sample (${name}, seed ${seed})`, indices, request) });
    }
    return { greedy, sampled };
  } finally {
    await generator.dispose();
  }
}

function solutionOf(row: readonly number[], config: T5Config, tokenizer: TextTokenizer): Solution {
  return { text: tokenizer.decode(row), tokens: row.length, finished: row.at(-1) === config.eosTokenId };
}
