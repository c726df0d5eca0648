// Math-Shepherd rows (Wang et al. 2023, arXiv:2312.08935) as stepwise rows: `input` is a question and its steps, each ended by the tag
// "ки", `label` the same text with + or - in the tags' places. A step is right where its label is +.

import { parseMathShepherd } from "../../reward/math-shepherd.ts";
import { badRecord } from "../labelled-pair.ts";
import type { StepwiseRow } from "./stepwise.ts";

/** Parses a row. Throws InputError with the reason as its code. */
export function parseMathShepherdRow(record: Record<string, unknown>): StepwiseRow {
  const solution = parseMathShepherd(record)[0];
  const prompt = solution?.prompt.trim() ?? "";
  if (prompt === "") throw badRecord("empty_prompt", "the question is empty");
  const steps = solution?.steps ?? [];
  if (steps.length === 0) throw badRecord("no_steps", '"input" has no step');
  return { prompt, steps, labels: (solution?.labels ?? []).map((label) => label === 1) };
}
