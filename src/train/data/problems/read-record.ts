// One record of an evaluation file, by its own shape, to what it says of its problem. Formats and fields: docs/evaluation.md.

import { z } from "zod";
import { finalAnswer, normaliseAnswer } from "../../../shared/final-answer.ts";
import { onOneLine } from "../../../shared/steps.ts";
import { labelsOf } from "../arithmetic/checker.ts";
import { parseMathShepherdRow } from "../formats/math-shepherd.ts";
import { parsePlainPair } from "../formats/plain.ts";
import { parsePrm800k } from "../formats/prm800k.ts";
import { isStepPair, parseStepPair } from "../formats/step-dpo.ts";
import { parseStepwiseRow, type StepwiseRow } from "../formats/stepwise.ts";
import { badRecord, cleanPair, joinSteps, type LabelledPair, parseRecord } from "../labelled-pair.ts";
import { isObject } from "../raw-records.ts";
import type { EvaluationFormat, LabelledSolution, RecordPart } from "./items.ts";

const answerSchema = z.union([z.string(), z.number()]).transform(String).nullish();
const problemSchema = z.object({ prompt: z.string(), gold: z.string().nullish(), answer: answerSchema });
const rolloutSchema = problemSchema.extend({
  samples: z.array(z.object({ completion: z.string(), step_labels: z.array(z.boolean()).nullish() })),
});
const gsm8kSchema = z.object({ question: z.string(), answer: z.string() });
const processBenchSchema = z.object({
  problem: z.string(),
  steps: z.array(z.string()).min(1),
  label: z.number().int().min(-1),
});
const groundTruthSchema = z.object({ question: z.object({ ground_truth_answer: answerSchema }) });

/** The format and content of a record. Throws InputError with the reason as its code; `what` names the field. */
export function readRecord(value: unknown): { format: EvaluationFormat; parts: RecordPart[] } {
  if (!isObject(value)) throw badRecord("not_an_object", "the record is not a JSON object");
  if ("chosen" in value || "rejected" in value) return { format: "pairs", parts: [pairPart(value)] };
  if ("completions" in value) return { format: "stepwise", parts: [stepwisePart(parseStepwiseRow(value))] };
  if (isObject(value.label) && "steps" in value.label) return { format: "prm800k", parts: prm800kParts(value) };
  if ("samples" in value) return { format: "rollouts", parts: [rolloutPart(value)] };
  if ("problem" in value && "steps" in value) return { format: "processbench", parts: [processBenchPart(value)] };
  if ("input" in value && "label" in value)
    return { format: "math_shepherd", parts: [stepwisePart(parseMathShepherdRow(value))] };
  if ("question" in value && "answer" in value) return { format: "gsm8k", parts: [gsm8kPart(value)] };
  if ("prompt" in value) return { format: "problems", parts: [problemPart(value)] };
  const names = Object.keys(value).slice(0, 6).join(", ");
  throw badRecord("unknown_format", `fields "${names}" belong to no format that can be evaluated`);
}

function promptOf(text: string): string {
  const prompt = text.replace(/\r\n?/g, "\n").trim();
  if (prompt === "") throw badRecord("empty_prompt", "the prompt is empty");
  return prompt;
}

/** The text as gold when the symbolic checker can read it as a right solution. */
function checkable(text: string | null | undefined): string | undefined {
  if (text === null || text === undefined) return undefined;
  try {
    labelsOf(text, "");
    return text;
  } catch {
    return undefined;
  }
}

function knownSolution(gold: string | null | undefined, answer: string | null | undefined): Partial<RecordPart> {
  const stated = gold === null || gold === undefined ? undefined : finalAnswer(gold);
  return {
    gold: checkable(gold),
    answer: answer === null || answer === undefined ? stated : (finalAnswer(answer) ?? normaliseAnswer(answer)),
  };
}

/** Both sides as labelled solutions where the pair has labels; a continuation stands behind its right prefix. */
export function labelledSides(pair: LabelledPair): LabelledSolution[] {
  const before = pair.prefix === undefined ? [] : joinSteps([pair.prefix]).split("\n");
  const side = (text: string, labels: readonly boolean[] | undefined): LabelledSolution[] =>
    labels === undefined
      ? []
      : [{ steps: [...before, ...text.split("\n")], labels: [...before.map(() => true), ...labels] }];
  return [...side(pair.chosen, pair.chosen_labels), ...side(pair.rejected, pair.rejected_labels)];
}

function pairPart(record: Record<string, unknown>): RecordPart {
  const pair = isStepPair(record) ? parseStepPair(record) : parsePlainPair(record);
  const { gold, answer } = parseRecord(problemSchema, record);
  const labelled = labelledSides(pair);
  const chosen = labelled[0];
  const whole = chosen !== undefined && pair.chosen_labels?.every(Boolean) ? chosen.steps.join("\n") : undefined;
  return { prompt: pair.prompt, pairs: [pair], labelled, ...knownSolution(gold ?? checkable(whole), answer) };
}

function stepwisePart({ prompt, steps, labels }: StepwiseRow): RecordPart {
  const right = labels.every(Boolean) ? steps.join("\n") : undefined;
  return { prompt, labelled: [{ steps, labels }], ...knownSolution(checkable(right), undefined) };
}

function prm800kParts(record: Record<string, unknown>): RecordPart[] {
  const { question } = parseRecord(groundTruthSchema, record);
  const known = knownSolution(undefined, question.ground_truth_answer);
  return parsePrm800k(record).map((raw) => {
    const pair = cleanPair(raw);
    return { prompt: pair.prompt, pairs: [pair], labelled: labelledSides(pair), ...known };
  });
}

function rolloutPart(record: Record<string, unknown>): RecordPart {
  const { prompt, gold, answer, samples } = parseRecord(rolloutSchema, record);
  const labelled = samples.flatMap(({ completion, step_labels }): LabelledSolution[] => {
    const steps = joinSteps([completion]);
    if (step_labels === null || step_labels === undefined || steps === "") return [];
    return [{ steps: steps.split("\n"), labels: step_labels }];
  });
  const bad = labelled.find(({ steps, labels }) => steps.length !== labels.length);
  if (bad !== undefined)
    throw badRecord("label_count", `"step_labels" has ${bad.labels.length} labels for ${bad.steps.length} steps`);
  return { prompt: promptOf(prompt), labelled, ...knownSolution(gold, answer) };
}

function problemPart(record: Record<string, unknown>): RecordPart {
  const { prompt, gold, answer } = parseRecord(problemSchema, record);
  return { prompt: promptOf(prompt), ...knownSolution(gold, answer) };
}

function gsm8kPart(record: Record<string, unknown>): RecordPart {
  const { question, answer } = parseRecord(gsm8kSchema, record);
  const stated = finalAnswer(answer);
  if (stated === undefined) throw badRecord("no_answer", 'field "answer" has no line "#### <answer>" or "A: <answer>"');
  return { prompt: promptOf(question), gold: checkable(answer), answer: stated };
}

function processBenchPart(record: Record<string, unknown>): RecordPart {
  const { problem, steps, label } = parseRecord(processBenchSchema, record);
  if (label >= steps.length) throw badRecord("bad_label", `field "label": ${label} of ${steps.length} steps`);
  // a step of several lines stays one step, as ProcessBench counts them
  const lines = steps.map(onOneLine);
  if (lines.includes("")) throw badRecord("empty_step", `field "steps.${lines.indexOf("")}" is empty`);
  const labels = lines.map((_, i) => (label < 0 || i < label ? true : i === label ? false : null));
  return { prompt: promptOf(problem), labelled: [{ steps: lines, labels }] };
}
