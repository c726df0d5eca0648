// K solutions of every problem, written by the policy and checked as far as that is possible; scores come later.

import { policyPrompt } from "../../../shared/prompts.ts";
import type { SamplingOptions } from "../../../shared/sampling.ts";
import type { TextTokenizer } from "../../../shared/tokenizer.ts";
import type { OnnxGenerator } from "../../onnx/decode/onnx-generate.ts";
import { checkSample, normaliseSteps } from "./check-sample.ts";
import type { Rollout, RolloutProblem } from "./rollout.ts";

/** The policy that writes. */
export interface Policy {
  generator: OnnxGenerator;
  tokenizer: TextTokenizer;
}

export interface SampleOptions {
  /** K, at least 1. */
  samples: number;
  sampling: SamplingOptions;
  maxNewTokens: number;
  seed: number;
  /** Number of each problem's random stream, so that a part of the problems draws what the whole would; default its index. */
  streams?: readonly number[] | undefined;
  batchSize?: number | undefined;
  signal?: AbortSignal | undefined;
}

/** Rollouts without scores (all 0), in the order of the problems. Throws what the generator throws. */
export async function sampleRollouts(
  policy: Policy,
  problems: readonly RolloutProblem[],
  options: SampleOptions,
): Promise<Rollout[]> {
  const { generator, tokenizer } = policy;
  const inputIds = problems.map(({ prompt }) => tokenizer.encode(policyPrompt(prompt)));
  const { streams, batchSize, signal, ...request } = options;
  const rows = await generator.generate(inputIds, {
    ...request,
    ...(streams !== undefined && { streams }),
    ...(batchSize !== undefined && { batchSize }),
    ...(signal !== undefined && { signal }),
  });
  return problems.map((problem, p) => ({
    prompt: problem.prompt,
    ...(problem.gold !== undefined && { gold: problem.gold }),
    ...(problem.answer !== undefined && { answer: problem.answer }),
    samples: (rows[p] ?? []).map((ids) => {
      const completion = normaliseSteps(tokenizer.decode(ids));
      const checked = checkSample(problem, completion);
      const finished = ids.at(-1) === generator.config.eosTokenId;
      return { completion, step_scores: [], ...checked, score: 0, finished, tokens: ids.length };
    }),
  }));
}
