// PRM800K (Lightman et al. 2023, arXiv:2305.20050; github.com/openai/prm800k): steps with alternative completions rated -1, 0 or +1.
// Chosen: the path that the labeler followed to the end, at each step the chosen completion, else the human's, else the first rated +1.
// Rejected: the same path up to a step, then that step's first completion rated -1; one pair for each step that has one.
// 0 (neutral) is no error: it may stand in the path, and is never rejected.

import { badRecord } from "../bad-record.ts";
import type { LabelledPair } from "../labelled-pair.ts";
import { shareLabels } from "../labelled-solution.ts";
import type { Prm800kRecord, Prm800kStep } from "./prm800k-record.ts";

/** All pairs of a record, texts as they are. Throws InputError with code `unfinished`, `no_path` or `nothing_rejected`. */
export function prm800kPairs({ question, label }: Prm800kRecord): LabelledPair[] {
  if (label.finish_reason !== "solution" && label.finish_reason !== undefined && label.finish_reason !== null) {
    throw badRecord("unfinished", `no right solution: finish_reason is "${label.finish_reason}"`);
  }
  const path = label.steps.map((at, index) => pathText(at, index));
  const pairs = label.steps.flatMap((at, index): LabelledPair[] => {
    const wrong = at.completions?.find(
      (other) => other.rating === -1 && other.flagged !== true && other.text.trim() !== "",
    );
    if (wrong === undefined) return [];
    const rejected = [...path.slice(0, index), wrong.text];
    const pair = {
      prompt: question.problem,
      chosen: path.join("\n"),
      rejected: rejected.join("\n"),
      chosen_labels: shareLabels(
        path,
        path.map(() => 1),
      ).labels,
      rejected_labels: shareLabels(
        rejected,
        rejected.map((_, i) => (i < index ? 1 : 0)),
      ).labels,
    };
    return [pair];
  });
  if (pairs.length === 0) throw badRecord("nothing_rejected", "no step has a completion rated -1");
  return pairs;
}

function pathText(at: Prm800kStep, index: number): string {
  const chosen = at.completions?.[at.chosen_completion ?? -1];
  if (chosen?.rating === -1) throw badRecord("no_path", `step ${index}: the chosen completion is rated -1`);
  const text = chosen?.text ?? at.human_completion?.text ?? at.completions?.find((other) => other.rating === 1)?.text;
  if (text === undefined)
    throw badRecord("no_path", `step ${index}: no completion is chosen, written by a human or rated +1`);
  return text;
}
