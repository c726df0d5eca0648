// ProcessBench (Zheng et al. 2024, arXiv:2412.06559): `problem, steps, label`, the label being the first wrong step, -1 for none;
// nothing is said of the steps after it.

import { z } from "zod";
import { badRecord, parseRecord } from "../bad-record.ts";
import type { StepLabel } from "../labelled-solution.ts";
import type { Format } from "./parsed.ts";

const rowSchema = z.object({
  problem: z.string(),
  steps: z.array(z.string()).min(1),
  label: z.number().int().min(-1),
});

export const processBenchFormat: Format = {
  name: "processbench",
  matches: (record) => "problem" in record && "steps" in record,
  parse(record) {
    const { problem, steps, label } = parseRecord(rowSchema, record);
    if (label >= steps.length) throw badRecord("bad_label", `field "label": ${label} of ${steps.length} steps`);
    const labels = steps.map((_, i): StepLabel => (label < 0 || i < label ? 1 : i === label ? 0 : undefined));
    return { kind: "solution", prompt: problem, texts: steps, labels, wholeTexts: true };
  },
};
