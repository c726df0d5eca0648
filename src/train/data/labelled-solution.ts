// A solution with labels of its steps, and the rules that every format's labels are held to: a label is a chance in [0, 1] that the step
// is right, and undefined where nobody said: such a step is read, but neither trained on nor measured.

import { z } from "zod";
import { splitSteps } from "../../shared/steps.ts";
import { badRecord } from "./bad-record.ts";

export type StepLabel = number | undefined;

export interface LabelledSteps {
  /** One line each. */
  steps: string[];
  /** One a step. */
  labels: StepLabel[];
}

export interface LabelledSolution extends LabelledSteps {
  prompt: string;
}

/** What other tools write for "not labelled" in a list of numbers. */
const IGNORED = -100;

const LABEL_RULE = "a label is true, false, a number from 0 to 1, or null";

/** A label as data sets write it: true or false, a chance from 0 to 1, null (or -100) for none. */
export const stepLabelSchema = z
  .union([z.boolean(), z.number(), z.null()], { error: LABEL_RULE })
  .refine((label) => typeof label !== "number" || label === IGNORED || (label >= 0 && label <= 1), {
    error: LABEL_RULE,
  })
  .transform((label): StepLabel => (label === null || label === IGNORED ? undefined : Number(label)));

/** A label that says the step is right: from 0.5 on. */
export function isRight(label: StepLabel): boolean {
  return label !== undefined && label >= 0.5;
}

/** A label that says the step is wrong. */
export function isWrong(label: StepLabel): boolean {
  return label !== undefined && label < 0.5;
}

/** Steps, one a line: line ends made `\n`, blank lines and spaces at the ends of lines dropped. */
export function joinSteps(lines: readonly string[]): string {
  return splitSteps(lines.join("\n").replace(/\r\n?/g, "\n"))
    .map((step) => step.text)
    .join("\n");
}

/**
 * Cuts texts into lines, to train on. Of a text of several lines the last carries the label; the lines before are right where the whole is
 * wholly right, else it is not known which of them is wrong, and they have none.
 */
export function labelLines(texts: readonly string[], labels: readonly StepLabel[]): LabelledSteps {
  const solution: LabelledSteps = { steps: [], labels: [] };
  texts.forEach((text, i) => {
    const lines = splitSteps(text.replace(/\r\n?/g, "\n"));
    lines.forEach((line, at) => {
      solution.steps.push(line.text);
      solution.labels.push(at === lines.length - 1 || labels[i] === 1 ? labels[i] : undefined);
    });
  });
  return solution;
}

/** Cuts texts into lines, to compare whole sides and to measure: each line has its text's label. */
export function shareLabels(texts: readonly string[], labels: readonly StepLabel[]): LabelledSteps {
  const solution: LabelledSteps = { steps: [], labels: [] };
  texts.forEach((text, i) => {
    for (const line of splitSteps(joinSteps([text]))) {
      solution.steps.push(line.text);
      solution.labels.push(labels[i]);
    }
  });
  return solution;
}

/** Throws InputError with code `label_count` unless there is one label a step. */
export function checkCount(field: string, labels: readonly unknown[], steps: number): void {
  if (labels.length === steps) return;
  throw badRecord("label_count", `"${field}" has ${labels.length} labels for ${steps} steps`);
}

/** Throws InputError with code `empty_prompt`, `no_steps` or `no_labels` for a solution that teaches nothing. */
export function checkSolutionLabels(solution: LabelledSolution): LabelledSolution {
  const prompt = solution.prompt.replace(/\r\n?/g, "\n").trim();
  if (prompt === "") throw badRecord("empty_prompt", "the prompt is empty");
  if (solution.steps.length === 0) throw badRecord("no_steps", "the solution has no step");
  if (solution.labels.every((label) => label === undefined)) throw badRecord("no_labels", "no step has a label");
  return { ...solution, prompt };
}
