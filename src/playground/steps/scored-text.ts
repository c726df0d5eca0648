// A completion as the page holds it: its text, the steps that the text has, their scores as far as they are known, and the tokens that wrote it.

import { type Aggregation, aggregateScores } from "../../shared/aggregate.ts";
import { splitSteps } from "../../shared/steps.ts";

export interface Token {
  text: string;
  logprob: number;
  /** The likeliest at its place. */
  top: readonly { text: string; logprob: number }[];
}

export interface ScoredText {
  text: string;
  /** Where the tokens begin in `text`: what stands before was given. */
  from: number;
  tokens: readonly Token[];
  /** By step; null where none is known yet. */
  scores: readonly (number | null)[];
}

export interface StepPart {
  text: string;
  score: number | null;
  /** The tokens that wrote it; empty where they are not known. */
  tokens: readonly Token[];
}

export const NOTHING: ScoredText = { text: "", from: 0, tokens: [], scores: [] };

/** The steps of a text, each with its score and its tokens. A token that ends one step with its newline belongs to that step. */
export function partsOf({ text, from, tokens, scores }: ScoredText): StepPart[] {
  const places: { token: Token; at: number }[] = [];
  let end = from;
  for (const token of tokens) {
    // where it says something: a newline before a word is the word's own
    const blank = token.text.trim() === "" ? 0 : token.text.length - token.text.trimStart().length;
    places.push({ token, at: end + blank });
    end += token.text.length;
  }
  return splitSteps(text).map((step, index, steps) => {
    const start = index === 0 ? 0 : step.start;
    const next = steps[index + 1]?.start ?? Number.POSITIVE_INFINITY;
    const own = step.start < from ? [] : places.filter(({ at }) => at >= start && at < next);
    return { text: step.text, score: scores[index] ?? null, tokens: own.map(({ token }) => token) };
  });
}

/** The aggregate of the scores; null while one is missing. */
export function aggregateOf(scores: readonly (number | null)[], aggregation: Aggregation): number | null {
  const known = scores.filter((score) => score !== null);
  return known.length === 0 || known.length < scores.length ? null : aggregateScores(known, aggregation);
}

/** A text with the score of one step told. */
export function withScore(scored: ScoredText, index: number, score: number): ScoredText {
  const count = Math.max(scored.scores.length, index + 1);
  const scores = Array.from({ length: count }, (_, at) => (at === index ? score : (scored.scores[at] ?? null)));
  return { ...scored, scores };
}
