// The view of reward training: solutions with labels of their steps. Where a data set stops labelling at the first wrong step, the steps
// after it stay unlabelled; where it goes on (ours: everything built on a mistake is wrong), its labels are taken.

import { splitSteps } from "../../../shared/steps.ts";
import { badRecord } from "../bad-record.ts";
import type { Parsed } from "../formats/parsed.ts";
import { prm800kSolutions } from "../formats/prm800k-labels.ts";
import type { LabelledPair } from "../labelled-pair.ts";
import { checkCount, type LabelledSolution, labelLines, type StepLabel } from "../labelled-solution.ts";

/** Throws InputError with the reason as its code; `no_labels` for a record that has no step labels. */
export function labelsOfRecord(parsed: Parsed): LabelledSolution[] {
  switch (parsed.kind) {
    case "pair":
      return sidesOf(parsed.pair);
    case "solution":
      return [{ prompt: parsed.prompt, ...labelLines(parsed.texts, parsed.labels) }];
    case "prm800k":
      return prm800kSolutions(parsed.record);
    case "rollout":
      return samplesOf(parsed);
    case "judged":
      throw badRecord("no_labels", "the completion is judged as a whole, not step by step");
    case "problem":
      throw badRecord("no_labels", "the record holds a problem and no labelled steps");
  }
}

/** Sides with labels; a shared prefix comes before both, unlabelled unless the labels cover it. */
function sidesOf({ prompt, prefix, ...sides }: LabelledPair): LabelledSolution[] {
  const before = splitSteps(prefix ?? "").map(({ text }) => text);
  const read = (side: "chosen" | "rejected"): LabelledSolution[] => {
    const labels = sides[`${side}_labels`];
    if (labels === undefined) return [];
    const own = splitSteps(sides[side].replace(/\r\n?/g, "\n")).map(({ text }) => text);
    const steps = [...before, ...own];
    if (labels.length === steps.length) return [{ prompt, steps, labels }];
    checkCount(`${side}_labels`, labels, own.length);
    return [{ prompt, steps, labels: [...before.map((): StepLabel => undefined), ...labels] }];
  };
  const solutions = [...read("chosen"), ...read("rejected")];
  if (solutions.length === 0) throw badRecord("no_labels", 'neither "chosen_labels" nor "rejected_labels" is there');
  return solutions;
}

/**
 * All samples of a problem, by the checker's labels, else by Monte Carlo's; those without steps or labels are left out. What the checker
 * held them against is a right solution.
 */
function samplesOf({ prompt, gold, samples }: Extract<Parsed, { kind: "rollout" }>): LabelledSolution[] {
  const solutions = samples.flatMap(({ completion, stepLabels, softLabels }, i): LabelledSolution[] => {
    const steps = splitSteps(completion).map(({ text }) => text);
    const labels = stepLabels ?? softLabels;
    if (labels === undefined || steps.length === 0) return [];
    checkCount(`samples[${i}].${stepLabels ? "step_labels" : "soft_labels"}`, labels, steps.length);
    return [{ prompt, steps, labels }];
  });
  if (solutions.length === 0) throw badRecord("no_labels", 'no sample has "step_labels" or "soft_labels"');
  const checked = samples.some(({ stepLabels }) => stepLabels !== undefined);
  const right = checked ? splitSteps(gold ?? "").map(({ text }) => text) : [];
  if (right.length > 0) solutions.push({ prompt, steps: right, labels: right.map(() => 1) });
  return solutions;
}
