// A preference pair with the labels of its steps, and the rules that every format's pairs are held to.

import { z } from "zod";
import { InputError } from "../../shared/errors.ts";
import type { Pair } from "../../shared/records.ts";
import { splitSteps } from "../../shared/steps.ts";

/** Labels: one per step, true iff the step is right. */
export type LabelledPair = Pair & { chosen_labels?: boolean[]; rejected_labels?: boolean[] };

/** A record that cannot be used: `code` is the reason that counts are kept by. */
export function badRecord(code: string, what: string): InputError {
  return new InputError({ code, what });
}

/** Steps, one a line: line ends made `\n`, blank lines and spaces at the ends of lines dropped. */
export function joinSteps(lines: readonly string[]): string {
  return splitSteps(lines.join("\n").replace(/\r\n?/g, "\n"))
    .map((step) => step.text)
    .join("\n");
}

/** Labels of the lines of several texts: each line of a text has its text's label. */
export function labelsOfLines(texts: readonly string[], labels: readonly boolean[]): boolean[] {
  return texts.flatMap((text, i) => splitSteps(joinSteps([text])).map(() => labels[i] ?? false));
}

/**
 * Cleans the texts of a pair and checks it. Throws InputError with code `empty_prompt`, `no_chosen_steps`, `no_rejected_steps`,
 * `identical`, or `label_count`.
 */
export function cleanPair(pair: LabelledPair): LabelledPair {
  const prompt = pair.prompt.replace(/\r\n?/g, "\n").trim();
  const chosen = joinSteps([pair.chosen]);
  const rejected = joinSteps([pair.rejected]);
  if (prompt === "") throw badRecord("empty_prompt", "the prompt is empty");
  if (chosen === "") throw badRecord("no_chosen_steps", '"chosen" has no step');
  if (rejected === "") throw badRecord("no_rejected_steps", '"rejected" has no step');
  if (chosen === rejected) throw badRecord("identical", '"chosen" and "rejected" are the same text');
  for (const [side, text] of [
    ["chosen", chosen],
    ["rejected", rejected],
  ] as const)
    for (const kind of ["labels", "step_scores"] as const) checkCount(`${side}_${kind}`, text, pair[`${side}_${kind}`]);
  return { ...pair, prompt, chosen, rejected };
}

function checkCount(field: string, text: string, values: readonly unknown[] | undefined): void {
  const steps = splitSteps(text).length;
  if (values === undefined || values.length === steps) return;
  throw badRecord(
    "label_count",
    `"${field}" has ${values.length} ${field.endsWith("labels") ? "labels" : "scores"} for ${steps} steps`,
  );
}

/** A boolean label as data sets write them: true or false, or a number (right from 0.5 on). */
export const labelSchema = z
  .union([z.boolean(), z.number()])
  .transform((label) => (typeof label === "number" ? label >= 0.5 : label));

/** Parses one record's value; throws InputError with code `bad_field` naming the first wrong field. */
export function parseRecord<T>(schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw badRecord("bad_field", `field "${issue?.path.join(".") ?? ""}": ${issue?.message ?? "invalid"}`);
}
