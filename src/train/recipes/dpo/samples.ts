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

const MAX_NEW_TOKENS = 128;

/** Greedy completions. */
export function completeSamples(
  { parameters, config }: { parameters: Parameters; config: T5Config },
  tokenizer: TextTokenizer,
  prompts: readonly string[],
): Sample[] {
  const ids = prompts.map((prompt) => tokenizer.encode(policyPrompt(prompt)));
  const rows = generate(parameters, config, ids, { maxNewTokens: MAX_NEW_TOKENS });
  return prompts.map((prompt, i) => ({ prompt, completion: tokenizer.decode(rows[i] ?? []) }));
}
