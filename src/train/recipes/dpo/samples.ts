// Completions of a few evaluation prompts, before and after training, so that a person can see what changed.

import { policyPrompt } from "../../../shared/prompts.ts";
import type { TextTokenizer } from "../../../shared/tokenizer.ts";
import { completeGreedily } from "../../onnx/decode/onnx-generate.ts";

export interface Sample {
  prompt: string;
  completion: string;
}

const MAX_NEW_TOKENS = 128;

/** Greedy completions by the model or adapter folder. */
export async function completeSamples(
  modelDir: string,
  tokenizer: TextTokenizer,
  prompts: readonly string[],
): Promise<Sample[]> {
  if (prompts.length === 0) return [];
  const ids = prompts.map((prompt) => tokenizer.encode(policyPrompt(prompt)));
  const rows = await completeGreedily(modelDir, ids, { maxNewTokens: MAX_NEW_TOKENS });
  return prompts.map((prompt, i) => ({ prompt, completion: tokenizer.decode(rows[i] ?? []) }));
}
