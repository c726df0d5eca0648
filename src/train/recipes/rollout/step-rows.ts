// Rows for the training of a reward model, as TRL's stepwise supervision has them: one a distinct solution.

import { hardLabels } from "./monte-carlo.ts";
import type { Rollout } from "./rollout.ts";

/** Where labels come from: the checker (else Monte Carlo's hard ones), or Monte Carlo's, hard or soft. */
export const LABEL_SOURCES = ["checker", "hard", "soft"] as const;
export type LabelSource = (typeof LABEL_SOURCES)[number];

export interface StepRow {
  prompt: string;
  completions: string[];
  labels: (boolean | number)[];
}

/** Rows of all samples that have labels of that source. */
export function stepRows(rollouts: readonly Rollout[], source: LabelSource = "checker"): StepRow[] {
  return rollouts.flatMap(({ prompt, samples }) => {
    const rows = new Map<string, StepRow>();
    for (const { completion, step_labels, soft_labels } of samples) {
      const hard = soft_labels && hardLabels(soft_labels);
      const labels = { checker: step_labels ?? hard, hard, soft: soft_labels }[source];
      if (labels === undefined || completion === "" || rows.has(completion)) continue;
      rows.set(completion, { prompt, completions: completion.split("\n"), labels });
    }
    return [...rows.values()];
  });
}
