// Completions of a few evaluation prompts, before and after training, so that a person can see what changed.

import { policyPrompt } from "../../../shared/prompts.ts";
import type { T5Config } from "../../../shared/t5-config.ts";
import type { TextTokenizer } from "../../../shared/tokenizer.ts";
import { generate } from "../../model/decode/generate.ts";
import type { Parameters } from "../../model/parameters.ts";

export interface Sample {
  prompt: string;
  completion: string;
}

/** Greedy completions. */
export function completeSamples(
  p: Parameters,
  config: T5Config,
  tokenizer: TextTokenizer,
  prompts: readonly string[],
  maxNewTokens = 128,
): Sample[] {
  const ids = prompts.map((prompt) => tokenizer.encode(policyPrompt(prompt)));
  const rows = generate(p, config, ids, { maxNewTokens });
  return prompts.map((prompt, i) => ({ prompt, completion: tokenizer.decode(rows[i] ?? []) }));
}
