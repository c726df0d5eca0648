// Records of each format to solutions with step labels. Where a data set stops labelling at the first wrong step, the steps after
// it stay unlabelled; where it goes on (ours: everything built on a mistake is wrong), its labels are taken.

import { z } from "zod";
import { splitSteps } from "../../../shared/steps.ts";
import { parseMathShepherd } from "../formats/math-shepherd.ts";
import { parsePrm800kLabels } from "../formats/prm800k-labels.ts";
import { badRecord, parseRecord } from "../labelled-pair.ts";
import {
  checkCount,
  type LabelledSolution,
  labelLines,
  type StepLabel,
  stepLabelSchema,
} from "../labelled-solution.ts";
import { isObject } from "../raw-records.ts";

export const LABEL_FORMATS = ["stepwise", "pairs", "rollouts", "prm800k", "math_shepherd", "processbench"] as const;
export type LabelFormat = (typeof LABEL_FORMATS)[number];

const labelList = z.array(stepLabelSchema);

const stepwiseSchema = z.object({ prompt: z.string(), completions: z.array(z.string()), labels: labelList });

/** TRL's stepwise supervision: one row a solution. */
function parseStepwise(record: unknown): LabelledSolution[] {
  const { prompt, completions, labels } = parseRecord(stepwiseSchema, record);
  checkCount("labels", labels, completions.length);
  return [{ prompt, ...labelLines(completions, labels) }];
}

const pairSchema = z.object({
  prompt: z.string(),
  prefix: z.string().nullish(),
  chosen: z.string(),
  rejected: z.string(),
  chosen_labels: labelList.nullish(),
  rejected_labels: labelList.nullish(),
});

/** A preference pair with labels of its sides; a shared prefix comes before both, unlabelled unless the labels cover it. */
function parseLabelledPair(record: unknown): LabelledSolution[] {
  const { prompt, prefix, ...sides } = parseRecord(pairSchema, record);
  const before = splitSteps(prefix ?? "").map(({ text }) => text);
  const read = (side: "chosen" | "rejected"): LabelledSolution[] => {
    const labels = sides[`${side}_labels`];
    if (labels === undefined || labels === null) return [];
    const own = splitSteps(sides[side].replace(/\r\n?/g, "\n")).map(({ text }) => text);
    const steps = [...before, ...own];
    if (labels.length === steps.length) return [{ prompt, steps, labels }];
    checkCount(`${side}_labels`, labels, own.length);
    return [{ prompt, steps, labels: [...before.map((): StepLabel => undefined), ...labels] }];
  };
  const solutions = [...read("chosen"), ...read("rejected")];
  if (solutions.length === 0) throw badRecord("no_labels", 'neither "chosen_labels" nor "rejected_labels" is there');
  return solutions;
}

const rolloutSchema = z.object({
  prompt: z.string(),
  gold: z.string().nullish(),
  samples: z.array(
    z.object({ completion: z.string(), step_labels: labelList.nullish(), soft_labels: labelList.nullish() }),
  ),
});

/**
 * All samples of a problem, from a rollout, by the checker's labels, else by Monte Carlo's; those without steps or labels are left out.
 * What the checker held them against is a right solution.
 */
function parseRollout(record: unknown): LabelledSolution[] {
  const { prompt, gold, samples } = parseRecord(rolloutSchema, record);
  const solutions = samples.flatMap(({ completion, step_labels, soft_labels }, i): LabelledSolution[] => {
    const steps = splitSteps(completion).map(({ text }) => text);
    const labels = step_labels ?? soft_labels;
    if (labels === undefined || labels === null || steps.length === 0) return [];
    checkCount(`samples[${i}].${step_labels ? "step_labels" : "soft_labels"}`, labels, steps.length);
    return [{ prompt, steps, labels }];
  });
  if (solutions.length === 0) throw badRecord("no_labels", 'no sample has "step_labels" or "soft_labels"');
  const checked = samples.some(({ step_labels }) => step_labels !== undefined && step_labels !== null);
  const right = checked ? splitSteps(gold ?? "").map(({ text }) => text) : [];
  if (right.length > 0) solutions.push({ prompt, steps: right, labels: right.map(() => 1) });
  return solutions;
}

const processBenchSchema = z.object({
  problem: z.string(),
  steps: z.array(z.string()),
  label: z.number().int().min(-1),
});

/** ProcessBench: `label` is the first wrong step, -1 for none; nothing is said of the steps after it. */
function parseProcessBench(record: unknown): LabelledSolution[] {
  const { problem, steps, label } = parseRecord(processBenchSchema, record);
  if (label >= steps.length) throw badRecord("bad_label", `"label" is ${label}, there are ${steps.length} steps`);
  const labels = steps.map((_, i): StepLabel => (label < 0 || i < label ? 1 : i === label ? 0 : undefined));
  return [{ prompt: problem, ...labelLines(steps, labels) }];
}

const PARSERS: Readonly<Record<LabelFormat, (record: unknown) => LabelledSolution[]>> = {
  stepwise: parseStepwise,
  pairs: parseLabelledPair,
  rollouts: parseRollout,
  prm800k: parsePrm800kLabels,
  math_shepherd: parseMathShepherd,
  processbench: parseProcessBench,
};

function formatOf(record: Record<string, unknown>): LabelFormat | undefined {
  if ("samples" in record) return "rollouts";
  if ("chosen" in record || "rejected" in record) return "pairs";
  if ("completions" in record) return "stepwise";
  if (isObject(record.label) && "steps" in record.label) return "prm800k";
  if (typeof record.input === "string" && "label" in record) return "math_shepherd";
  return "problem" in record && "steps" in record ? "processbench" : undefined;
}

/** Parses one record by its shape. Throws InputError with the reason as its code. */
export function parseStepLabels(record: unknown): { format: LabelFormat; solutions: LabelledSolution[] } {
  if (!isObject(record)) throw badRecord("not_an_object", "the record is not a JSON object");
  const format = formatOf(record);
  if (format !== undefined) return { format, solutions: PARSERS[format](record) };
  const names = Object.keys(record).slice(0, 6).join(", ");
  throw badRecord("unknown_format", `fields "${names}" are those of no format with step labels`);
}
