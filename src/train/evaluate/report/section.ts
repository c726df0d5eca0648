// A section of the report, or the sentence that says why it is not there.

import type { EvaluationResult, Role } from "../result.ts";
import type { Html } from "./html.ts";

export interface Section {
  id: string;
  title: string;
  body: Html;
}

/** One plain sentence in place of a section. */
export interface Missing {
  missing: string;
}

/** The log of one training run. */
export interface TrainingCurves {
  name: string;
  /** Entries of trainer_state.json: metrics by name, `step` and `epoch` among them. */
  logHistory: readonly Readonly<Record<string, number | null>>[];
}

/** The entry of one model in a list with at most one entry a model. */
export function ofRole<T extends { role: Role }>(entries: readonly T[], role: Role): T | undefined {
  return entries.find((entry) => entry.role === role);
}

/** Whether two models are compared, so that "before" and "after" mean something. */
export function isComparison(result: EvaluationResult): boolean {
  return result.models.some((model) => model.role === "baseline");
}

/** Names of the models for keys and table heads; `before` only in a comparison. */
export function modelNames(result: EvaluationResult): { after: string; before?: string } {
  const after = ofRole(result.models, "model")?.name ?? "the model";
  const before = ofRole(result.models, "baseline")?.name;
  return before === undefined ? { after } : { after: `after (${after})`, before: `before (${before})` };
}
