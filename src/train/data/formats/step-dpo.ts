// Step-level pairs (Step-DPO, Lai et al. 2024, arXiv:2406.18629; data set Math-Step-DPO-10K): `chosen` and `rejected` are the next steps
// after steps that both share, under `prefix` (ours) or `initial_reason_steps` (theirs, which is empty at the first step).
// Their shared text ends in the header of the next step ("Step 3:"), which here begins the continuation, a step being a line.

import { z } from "zod";
import { parseRecord } from "../bad-record.ts";
import { joinSteps } from "../labelled-solution.ts";
import type { Fields, Format, Parsed, ParseOptions } from "./parsed.ts";
import { pairWith } from "./plain.ts";
import { promptText } from "./prompt-field.ts";

const stepSchema = z.object({
  chosen: z.string(),
  rejected: z.string(),
  prefix: z.string().nullish(),
  initial_reason_steps: z.string().nullish(),
  full_chosen: z.string().nullish(),
  full_rejected: z.string().nullish(),
  unfinished: z.boolean().nullish(),
});

/** Parses a step-level pair; without shared steps it is a plain pair. Throws InputError with the reason as its code. */
function parseStepPair(record: Fields, options: ParseOptions): Parsed {
  const row = parseRecord(stepSchema, record);
  const { shared, header } = splitHeader(row.prefix ?? row.initial_reason_steps ?? "");
  const prefix = joinSteps([shared]);
  const headed = (text: string): string => (header === "" ? text : `${header} ${text.trimStart()}`);
  const chosen = headed(row.chosen);
  const rejected = headed(row.rejected);
  const goesOn = (side: string, full: string | null | undefined): boolean =>
    joinSteps([headed(full ?? "")]).length > joinSteps([side]).length;
  const unfinished = row.unfinished ?? (goesOn(chosen, row.full_chosen) || goesOn(rejected, row.full_rejected));
  return pairWith(record, {
    prompt: promptText(record, options),
    chosen,
    rejected,
    ...(prefix !== "" && { prefix }),
    ...(unfinished && { unfinished: true }),
  });
}

/** Shared text without the header of a step that it ends in, and that header. */
function splitHeader(text: string): { shared: string; header: string } {
  const header = /(?:^|\n)[ \t]*(Step \d+:)[ \t]*$/.exec(text);
  if (header === null) return { shared: text, header: "" };
  return { shared: text.slice(0, header.index), header: header[1] ?? "" };
}

export const stepPairsFormat: Format = {
  name: "step_pairs",
  matches: (record) =>
    ("chosen" in record || "rejected" in record) &&
    ["prefix", "initial_reason_steps", "unfinished"].some((name) => (record[name] ?? null) !== null),
  parse: parseStepPair,
};
