// Time of a token in Node: our decoding against transformers.js, on the same weights, the same prompts, the same number of threads, turn
// about in one run. One prompt at a time, greedy; a token's time is what a long answer takes more than one of a single token.

import { AutoModelForSeq2SeqLM, env, Tensor } from "@huggingface/transformers";
import { policyPrompt } from "../../../shared/prompts.ts";
import { loadPairs } from "../../data/pairs/load-pairs.ts";
import { openOnnxGenerator } from "../../onnx/decode/onnx-generate.ts";
import { loadTokenizer } from "../../store/model-folder.ts";
import { median } from "./median.ts";

export interface DecodeBenchOptions {
  /** Model folder with weights. */
  modelDir: string;
  /** Its export, which transformers.js loads; may be the same folder. */
  exportedDir: string;
  /** Pairs, whose prompts are answered: a folder or file. */
  data: string;
  /** Prompts. Default 5. */
  prompts?: number | undefined;
  /** Longest answer. Default 64. */
  tokens?: number | undefined;
  /** Threads of onnxruntime. Default 2. */
  threads?: number | undefined;
}

/** Medians over the prompts. */
export interface DecodeBench {
  bench: "decode";
  model: string;
  threads: number;
  prompts: number;
  tokens: number;
  ms_per_token: number;
  transformers_js_ms_per_token: number;
  /** ms_per_token / transformers_js_ms_per_token: below 1, ours is faster. */
  ratio: number;
}

/** Answers a prompt with at most so many tokens; resolves to how many it wrote. */
type Answer = (promptIds: number[], maxNewTokens: number) => Promise<number>;

/** Throws ArtifactError for a folder that is not a T5; transformers.js throws its own where the folder is not exported. */
export async function benchDecode(options: DecodeBenchOptions): Promise<DecodeBench> {
  const { modelDir, exportedDir, prompts = 5, tokens = 64, threads = 2 } = options;
  const { pairs } = await loadPairs(options.data);
  const ours = await openOnnxGenerator(modelDir, { threads, processes: 1 });
  const tokenizer = await loadTokenizer(modelDir, ours.config);
  env.allowRemoteModels = false;
  const inputIds = pairs.slice(0, prompts).map(({ prompt }) => tokenizer.encode(policyPrompt(prompt)));
  const theirs = await AutoModelForSeq2SeqLM.from_pretrained(exportedDir, {
    dtype: "fp32",
    local_files_only: true,
    session_options: { intraOpNumThreads: threads, interOpNumThreads: 1 },
  });
  const answers: Record<"ours" | "theirs", Answer> = {
    ours: async (promptIds, maxNewTokens) => {
      const [completions] = await ours.generate([promptIds], { maxNewTokens });
      return completions?.[0]?.length ?? 0;
    },
    theirs: async (promptIds, maxNewTokens) => {
      const row = (values: bigint[]): Tensor => new Tensor("int64", BigInt64Array.from(values), [1, values.length]);
      const ids = await theirs.generate({
        input_ids: row(promptIds.map(BigInt)),
        attention_mask: row(promptIds.map(() => 1n)),
        max_new_tokens: maxNewTokens,
        do_sample: false,
      });
      if (!(ids instanceof Tensor)) throw new Error("transformers.js gave no tensor of ids");
      return (ids.dims[1] ?? 0) - 1; // the start token is no answer
    },
  };
  try {
    const times = { ours: [] as number[], theirs: [] as number[] };
    for (const ids of inputIds) {
      times.ours.push(await timeOfToken(answers.ours, ids, tokens));
      times.theirs.push(await timeOfToken(answers.theirs, ids, tokens));
    }
    const [own, other] = [median(times.ours), median(times.theirs)];
    return {
      bench: "decode",
      model: modelDir,
      threads,
      prompts: inputIds.length,
      tokens,
      ms_per_token: own,
      transformers_js_ms_per_token: other,
      ratio: own / other,
    };
  } finally {
    await ours.dispose();
    await theirs.dispose();
  }
}

/** Milliseconds of each token after the first, of an answer that is written with the model warm. */
async function timeOfToken(answer: Answer, prompt: number[], tokens: number): Promise<number> {
  await answer(prompt, 2);
  const begun = performance.now();
  await answer(prompt, 1);
  const single = performance.now();
  const written = await answer(prompt, tokens);
  const done = performance.now();
  return (done - single - (single - begun)) / (written - 1);
}
