// The likeliest tokens of a row of logits, with their log-probabilities: what could have stood in a token's place.

import { likeliestOf, logSumExp } from "../../shared/sampling.ts";
import type { Model } from "./model.ts";

export interface TopToken {
  id: number;
  text: string;
  /** Natural-log probability under the model. */
  logp: number;
}

/** The `count` likeliest, likeliest first, the lower id first on ties. */
export function likeliestTokens({ tokenizer }: Model, logits: Float32Array, count: number): TopToken[] {
  const total = logSumExp(logits);
  return likeliestOf(logits, count).map((id) => ({
    id,
    text: tokenizer.decode([id]),
    logp: (logits[id] ?? Number.NaN) - total,
  }));
}
