// A preference pair with the labels of its steps, and the rules that every format's pairs are held to.

import type { Pair } from "../../shared/records.ts";
import { splitSteps } from "../../shared/steps.ts";
import { badRecord } from "./bad-record.ts";
import { joinSteps, type StepLabel } from "./labelled-solution.ts";

/** Labels: one per step of the side's own text. */
export type LabelledPair = Pair & { chosen_labels?: StepLabel[]; rejected_labels?: StepLabel[] };

/**
 * Cleans the texts of a pair and checks it. Labels that cover the prefix too lose that part. Throws InputError with code `empty_prompt`,
 * `no_chosen_steps`, `no_rejected_steps`, `identical`, or `label_count`.
 */
export function cleanPair(pair: LabelledPair): LabelledPair {
  const prompt = pair.prompt.replace(/\r\n?/g, "\n").trim();
  const chosen = joinSteps([pair.chosen]);
  const rejected = joinSteps([pair.rejected]);
  if (prompt === "") throw badRecord("empty_prompt", "the prompt is empty");
  if (chosen === "") throw badRecord("no_chosen_steps", '"chosen" has no step');
  if (rejected === "") throw badRecord("no_rejected_steps", '"rejected" has no step');
  if (chosen === rejected) throw badRecord("identical", '"chosen" and "rejected" are the same text');
  checkScores("chosen_step_scores", chosen, pair.chosen_step_scores);
  checkScores("rejected_step_scores", rejected, pair.rejected_step_scores);
  const shared = splitSteps(pair.prefix ?? "").length;
  return {
    ...pair,
    prompt,
    chosen,
    rejected,
    ...(pair.chosen_labels && { chosen_labels: ownLabels("chosen", chosen, pair.chosen_labels, shared) }),
    ...(pair.rejected_labels && { rejected_labels: ownLabels("rejected", rejected, pair.rejected_labels, shared) }),
  };
}

function checkScores(field: string, text: string, scores: readonly number[] | undefined): void {
  const steps = splitSteps(text).length;
  if (scores === undefined || scores.length === steps) return;
  throw badRecord("label_count", `"${field}" has ${scores.length} scores for ${steps} steps`);
}

function ownLabels(
  side: "chosen" | "rejected",
  text: string,
  labels: readonly StepLabel[],
  shared: number,
): StepLabel[] {
  const steps = splitSteps(text).length;
  if (labels.length === steps) return [...labels];
  if (labels.length === shared + steps) return labels.slice(shared);
  throw badRecord("label_count", `"${side}_labels" has ${labels.length} labels for ${steps} steps`);
}

/** The pair as train.jsonl has it: labels that are certain as true and false, unknown ones as null. */
export function pairToJson(pair: LabelledPair): Record<string, unknown> {
  const { chosen_labels, rejected_labels } = pair;
  const written = (labels: readonly StepLabel[]): (boolean | number | null)[] =>
    labels.map((label) => (label === 0 || label === 1 ? label === 1 : (label ?? null)));
  return {
    ...pair,
    ...(chosen_labels && { chosen_labels: written(chosen_labels) }),
    ...(rejected_labels && { rejected_labels: written(rejected_labels) }),
  };
}
