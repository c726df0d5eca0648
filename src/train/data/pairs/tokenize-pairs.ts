// Pairs of text to pairs of token ids. A pair longer than the limits is left out and counted, never truncated: a completion cut
// short has lost its end and with it its meaning as an example. A step-level pair (`prefix`) continues steps that are already written:
// its token rows hold prefix and continuation, and `prefixLength` says where the continuation begins.

import { policyPrompt } from "../../../shared/prompts.ts";
import type { Pair } from "../../../shared/records.ts";
import { splitSteps } from "../../../shared/steps.ts";
import type { TextTokenizer } from "../../../shared/tokenizer.ts";

/** A pair with its token ids: the prompt's end in EOS, a completion's too unless the pair is unfinished, or the side was cut. */
export interface TokenizedPair {
  pair: Pair;
  promptIds: number[];
  /** Prefix included. */
  chosenIds: number[];
  rejectedIds: number[];
  /** Leading tokens of both completions that are given, not learnt. */
  prefixLength: number;
}

export interface LengthLimits {
  maxPromptLength: number;
  maxCompletionLength: number;
  /** The sides need not differ: the loss does not compare them. */
  sidesMayBeEqual?: boolean;
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

function completionIds(tokenizer: TextTokenizer, pair: Pair, side: "chosen" | "rejected"): number[] {
  const ids = tokenizer.encode(normalizeCompletion(`${pair.prefix ?? ""}\n${pair[side]}`));
  return pair.unfinished === true || pair[`${side}_cut`] === true ? ids.slice(0, -1) : ids;
}

/** Tokens that two rows of ids have in common at their beginning. */
function commonLength(a: readonly number[], b: readonly number[]): number {
  const end = a.findIndex((id, i) => id !== b[i]);
  return end < 0 ? a.length : end;
}

function tokenize(pair: Pair, tokenizer: TextTokenizer): TokenizedPair {
  const chosenIds = completionIds(tokenizer, pair, "chosen");
  const rejectedIds = completionIds(tokenizer, pair, "rejected");
  // the newline before the continuation belongs to the prefix, as the worker's own steps end with it; EOS does not
  const given = pair.prefix === undefined ? [] : tokenizer.encode(`${normalizeCompletion(pair.prefix)}\n`).slice(0, -1);
  const prefixLength = Math.min(commonLength(given, chosenIds), commonLength(given, rejectedIds));
  return {
    pair,
    promptIds: tokenizer.encode(policyPrompt(pair.prompt)),
    chosenIds,
    rejectedIds,
    prefixLength,
  };
}

function reasonToDrop(tokenized: TokenizedPair, limits: LengthLimits): string | undefined {
  const { pair, promptIds, chosenIds, rejectedIds } = tokenized;
  if (splitSteps(pair.chosen).length === 0 || splitSteps(pair.rejected).length === 0) return "a side has no steps";
  const isSame = normalizeCompletion(pair.chosen) === normalizeCompletion(pair.rejected);
  if (isSame && limits.sidesMayBeEqual !== true) return "both sides are the same";
  if (chosenIds.join() === rejectedIds.join() && limits.sidesMayBeEqual !== true) return "identical_tokens";
  if (promptIds.length > limits.maxPromptLength) return `prompt longer than ${limits.maxPromptLength} tokens`;
  if (Math.max(chosenIds.length, rejectedIds.length) > limits.maxCompletionLength)
    return `completion longer than ${limits.maxCompletionLength} tokens`;
  return undefined;
}

/** Tokenizes pairs and sorts out those that cannot be trained on. */
export function preparePairs(pairs: readonly Pair[], tokenizer: TextTokenizer, limits: LengthLimits): PreparedPairs {
  const prepared: PreparedPairs = { pairs: [], dropped: {} };
  for (const pair of pairs) {
    const tokenized = tokenize(pair, tokenizer);
    const reason = reasonToDrop(tokenized, limits);
    if (reason === undefined) prepared.pairs.push(tokenized);
    else prepared.dropped[reason] = (prepared.dropped[reason] ?? 0) + 1;
  }
  return prepared;
}
