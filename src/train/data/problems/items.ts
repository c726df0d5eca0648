// What is measured on, problem by problem: the prompt, what is known of its right solution, and the pairs and labelled solutions that
// came with it. A problem is the unit of everything: of drawing, of resampling, of the overlap with training data.

import type { LabelledPair } from "../labelled-pair.ts";
import { isRight, isWrong, type LabelledSteps, type StepLabel } from "../labelled-solution.ts";

export interface EvaluationItem {
  prompt: string;
  /** Worked solution that the symbolic checker reads; null: none. */
  gold: string | null;
  /** Final answer, normalised; null: not known. */
  answer: string | null;
  pairs: LabelledPair[];
  labelled: LabelledSteps[];
}

/** What one record says of its problem. */
export interface RecordPart {
  prompt: string;
  gold?: string | undefined;
  answer?: string | undefined;
  pairs?: LabelledPair[];
  labelled?: LabelledSteps[];
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
export function firstWrongStep(labels: readonly StepLabel[]): number | undefined {
  const first = labels.findIndex(isWrong);
  const before = first < 0 ? labels : labels.slice(0, first);
  return before.every(isRight) ? first : undefined;
}
