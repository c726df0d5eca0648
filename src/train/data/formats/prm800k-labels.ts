// Step labels of PRM800K (Lightman et al. 2023, arXiv:2305.20050): +1 is right, -1 wrong, 0 neutral, which trains nothing here.
// The path that the labeler followed is one solution. Every other rated completion of a step is a solution of its own: the path up
// to it, whose labels count only with the path, and the completion at its end.

import { badRecord } from "../bad-record.ts";
import { type LabelledSolution, labelLines, type StepLabel } from "../labelled-solution.ts";
import type { Prm800kRecord, Prm800kStep } from "./prm800k-record.ts";

function labelOf(rating: number | null | undefined): StepLabel {
  return rating === 1 ? 1 : rating === -1 ? 0 : undefined;
}

/** The step that the path goes on with: what the labeler chose, or wrote; undefined where the path ends. */
function onPath(at: Prm800kStep): { text: string; label: StepLabel } | undefined {
  const chosen = at.completions?.[at.chosen_completion ?? -1];
  if (chosen !== undefined) return { text: chosen.text, label: labelOf(chosen.rating) };
  return at.human_completion ? { text: at.human_completion.text, label: 1 } : undefined;
}

/** All solutions of a record. Throws InputError with code `bad_problem` or `no_labels`. */
export function prm800kSolutions({ question, label }: Prm800kRecord): LabelledSolution[] {
  const prompt = question.problem;
  if (label.finish_reason === "bad_problem") throw badRecord("bad_problem", 'finish_reason is "bad_problem"');
  const solutions: LabelledSolution[] = [];
  const path: { text: string; label: StepLabel }[] = [];
  for (const at of label.steps) {
    const texts = path.map(({ text }) => text);
    const unlabelled = path.map((): StepLabel => undefined);
    at.completions?.forEach((other, i) => {
      const rated = labelOf(other.rating);
      if (i === at.chosen_completion || rated === undefined || other.flagged === true || other.text.trim() === "")
        return;
      solutions.push({ prompt, ...labelLines([...texts, other.text], [...unlabelled, rated]) });
    });
    const next = onPath(at);
    if (next === undefined) break;
    path.push(next);
  }
  if (path.some((taken) => taken.label !== undefined)) {
    const labels = path.map((taken) => taken.label);
    solutions.unshift({
      prompt,
      ...labelLines(
        path.map(({ text }) => text),
        labels,
      ),
    });
  }
  if (solutions.length === 0) throw badRecord("no_labels", "no completion is rated +1 or -1");
  return solutions;
}
