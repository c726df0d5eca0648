// What is measured on, problem by problem: the prompt, what is known of its right solution, and the pairs and labelled solutions that
// came with it. A problem is the unit of everything: of drawing, of resampling, of the overlap with training data.

import type { LabelledPair } from "../labelled-pair.ts";

export const EVALUATION_FORMATS = [
  "heldout",
  "problems",
  "rollouts",
  "pairs",
  "stepwise",
  "prm800k",
  "math_shepherd",
  "gsm8k",
  "processbench",
] as const;
export type EvaluationFormat = (typeof EVALUATION_FORMATS)[number];

export interface LabelledSolution {
  steps: string[];
  /** One a step; null: not known (after the first wrong step of ProcessBench, a neutral step of PRM800K). */
  labels: (boolean | null)[];
}

export interface EvaluationItem {
  prompt: string;
  /** Worked solution that the symbolic checker reads; null: none. */
  gold: string | null;
  /** Final answer, normalised; null: not known. */
  answer: string | null;
  pairs: LabelledPair[];
  labelled: LabelledSolution[];
}

/** What one record says of its problem. */
export interface RecordPart {
  prompt: string;
  gold?: string | undefined;
  answer?: string | undefined;
  pairs?: LabelledPair[];
  labelled?: LabelledSolution[];
}

/** Adds a record's part to the item of the same prompt, or makes one; what was known of gold and answer first stays. */
export function addPart(items: Map<string, EvaluationItem>, part: RecordPart): void {
  const item = items.get(part.prompt) ?? { prompt: part.prompt, gold: null, answer: null, pairs: [], labelled: [] };
  items.set(part.prompt, item);
  item.gold ??= part.gold ?? null;
  item.answer ??= part.answer ?? null;
  item.pairs.push(...(part.pairs ?? []));
  const known = new Set(item.labelled.map(({ steps }) => steps.join("\n")));
  for (const solution of part.labelled ?? []) if (!known.has(solution.steps.join("\n"))) item.labelled.push(solution);
}

/** Index of the first step labelled wrong, -1 when all are right; undefined when an unknown label stands before a decision. */
export function firstWrongStep(labels: readonly (boolean | null)[]): number | undefined {
  const first = labels.indexOf(false);
  const before = first < 0 ? labels : labels.slice(0, first);
  return before.includes(null) ? undefined : first;
}
