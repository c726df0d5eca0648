// Pairs of text to pairs of token ids. A pair longer than the limits is left out and counted, never truncated: a completion cut
// short has lost its end and with it its meaning as an example.

import { policyPrompt } from "../../shared/prompts.ts";
import type { Pair } from "../../shared/records.ts";
import { splitSteps } from "../../shared/steps.ts";
import type { TextTokenizer } from "../../shared/tokenizer.ts";

/** A pair with its token ids (each ending in EOS). */
export interface TokenizedPair {
  pair: Pair;
  promptIds: number[];
  chosenIds: number[];
  rejectedIds: number[];
}

export interface LengthLimits {
  maxPromptLength: number;
  maxCompletionLength: number;
}

export interface PreparedPairs {
  pairs: TokenizedPair[];
  /** How many were left out, by reason. */
  dropped: Record<string, number>;
}

/** A completion as the policy learns it: its steps, one a line, without blank lines or stray spaces. */
export function normalizeCompletion(text: string): string {
  return splitSteps(text)
    .map((step) => step.text)
    .join("\n");
}

function reasonToDrop(tokenized: TokenizedPair, limits: LengthLimits): string | undefined {
  const { pair, promptIds, chosenIds, rejectedIds } = tokenized;
  if (splitSteps(pair.chosen).length === 0 || splitSteps(pair.rejected).length === 0) return "a side has no steps";
  if (normalizeCompletion(pair.chosen) === normalizeCompletion(pair.rejected)) return "both sides are the same";
  if (promptIds.length > limits.maxPromptLength) return `prompt longer than ${limits.maxPromptLength} tokens`;
  if (Math.max(chosenIds.length, rejectedIds.length) > limits.maxCompletionLength)
    return `completion longer than ${limits.maxCompletionLength} tokens`;
  return undefined;
}

/** Tokenizes pairs and sorts out those that cannot be trained on. */
export function preparePairs(pairs: readonly Pair[], tokenizer: TextTokenizer, limits: LengthLimits): PreparedPairs {
  const prepared: PreparedPairs = { pairs: [], dropped: {} };
  for (const pair of pairs) {
    const tokenized: TokenizedPair = {
      pair,
      promptIds: tokenizer.encode(policyPrompt(pair.prompt)),
      chosenIds: tokenizer.encode(normalizeCompletion(pair.chosen)),
      rejectedIds: tokenizer.encode(normalizeCompletion(pair.rejected)),
    };
    const reason = reasonToDrop(tokenized, limits);
    if (reason === undefined) prepared.pairs.push(tokenized);
    else prepared.dropped[reason] = (prepared.dropped[reason] ?? 0) + 1;
  }
  return prepared;
}
