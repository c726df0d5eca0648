// The likeliest tokens of a row of logits, with their log-probabilities: what could have stood in a token's place.

import { likeliestOf, logSumExp } from "../../shared/sampling.ts";
import type { Model } from "./model.ts";

export interface TopToken {
  id: number;
  /** What it would add to the text. */
  text: string;
  /** The end of the text. */
  special: boolean;
  /** Natural-log probability under the model. */
  logp: number;
}

/** The `count` likeliest, likeliest first, the lower id first on ties. `before` is the id that they follow: a word's space is part of it. */
export function likeliestTokens(
  { tokenizer, config }: Model,
  logits: Float32Array,
  { count, before }: { count: number; before: number | undefined },
): TopToken[] {
  const total = logSumExp(logits);
  const context = before === undefined ? [] : [before];
  const start = before === undefined ? 0 : tokenizer.decode(context).length;
  return likeliestOf(logits, count).map((id) => ({
    id,
    text: tokenizer.decode([...context, id]).slice(start),
    special: id === config.eosTokenId,
    logp: (logits[id] ?? Number.NaN) - total,
  }));
}
