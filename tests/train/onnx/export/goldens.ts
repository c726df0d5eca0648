// Golden numbers of small random T5 models, made with PyTorch and transformers (tests/golden).

import { readFileSync } from "node:fs";
import { z } from "zod";

const ids = z.array(z.array(z.number()));
const goldenSchema = z.object({
  prompts: ids,
  chosen: ids,
  rejected: ids,
  encoder_last_hidden_state_row0_first3: z.array(z.array(z.number())),
  encoder_last_hidden_state_row1_unpadded_last: z.array(z.number()),
  chosen_logits_row0_first2: z.array(z.array(z.number())),
  chosen_token_logps: z.array(z.array(z.number())),
  chosen_sequence_logps: z.array(z.number()),
  rejected_token_logps: z.array(z.array(z.number())),
  greedy: ids,
});
export type Golden = z.infer<typeof goldenSchema>;

export const GOLDEN_MODELS = ["t5-v1.1", "t5-v1.1-shared-head", "t5-v1.0", "umt5"] as const;

export function goldenDir(model: string): string {
  return new URL(`../../../golden/${model}`, import.meta.url).pathname;
}

export function loadGolden(model: string): Golden {
  return goldenSchema.parse(JSON.parse(readFileSync(`${goldenDir(model)}/golden.json`, "utf8")));
}
