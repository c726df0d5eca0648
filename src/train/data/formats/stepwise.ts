// Stepwise supervision as TRL has it: `prompt, completions: string[], labels: (boolean | number | null)[]`, one row a solution.

import { z } from "zod";
import { parseRecord } from "../bad-record.ts";
import { checkCount, stepLabelSchema } from "../labelled-solution.ts";
import type { Format } from "./parsed.ts";
import { promptText } from "./prompt-field.ts";

const rowSchema = z.object({ completions: z.array(z.string()), labels: z.array(stepLabelSchema) });

export const stepwiseFormat: Format = {
  name: "stepwise",
  matches: (record) => "completions" in record,
  parse(record, options) {
    const { completions, labels } = parseRecord(rowSchema, record);
    checkCount("labels", labels, completions.length);
    return { kind: "solution", prompt: promptText(record, options), texts: completions, labels };
  },
};
