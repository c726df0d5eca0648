// What the fields of the result are called for people, how they are written, and which way is better.

import type { Unit } from "./format.ts";

export interface MetricName {
  name: string;
  unit: Unit;
  /** null: neither way is better as such. */
  better: "higher" | "lower" | null;
}

const METRICS: Readonly<Record<string, MetricName>> = {
  exact_match: { name: "Solved exactly", unit: "share", better: "higher" },
  answer_accuracy: { name: "Answer right", unit: "share", better: "higher" },
  step_validity: { name: "Steps valid", unit: "share", better: "higher" },
  repetition_rate: { name: "Lines repeated", unit: "share", better: "lower" },
  repeated_4grams: { name: "4-grams repeated", unit: "share", better: "lower" },
  steps: { name: "Steps a solution", unit: "number", better: null },
  tokens: { name: "Tokens a solution", unit: "number", better: null },
  reward_score: { name: "Reward score, mean of steps", unit: "number", better: "higher" },
  reward_min: { name: "Reward score, lowest step", unit: "number", better: "higher" },
  accuracy: { name: "Pairs preferred rightly", unit: "share", better: "higher" },
  accuracy_per_token: { name: "Pairs preferred rightly, per token", unit: "share", better: "higher" },
  logps_margin: { name: "Log-prob margin", unit: "number", better: "higher" },
  logps_margin_per_token: { name: "Log-prob margin per token", unit: "number", better: "higher" },
  logps_chosen: { name: "Log-prob of the chosen side", unit: "number", better: null },
  logps_rejected: { name: "Log-prob of the rejected side", unit: "number", better: null },
};

/** The name without the part it belongs to: `preference_accuracy` is the accuracy of the preference figures. */
export function bareMetric(metric: string): string {
  return metric.replace(/^(policy|preference|length)[./_]/, "");
}

/** A metric of the comparison; one that is not known here goes by its own name, as a plain number. */
export function metricName(metric: string): MetricName {
  const bare = bareMetric(metric);
  return METRICS[bare] ?? { name: bare.replaceAll("_", " "), unit: "number", better: null };
}
