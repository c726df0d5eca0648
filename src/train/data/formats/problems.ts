// Problems without pairs or labels: GSM8K's `question, answer` (Cobbe et al. 2021, arXiv:2110.14168), and `prompt` with what is known of its solution; TRL's
// prompt-only type, standard and conversational.

import { z } from "zod";
import { finalAnswer } from "../../../shared/final-answer.ts";
import { badRecord, parseRecord } from "../bad-record.ts";
import type { Format } from "./parsed.ts";
import { promptText } from "./prompt-field.ts";

const gsm8kSchema = z.object({ question: z.string(), answer: z.string() });

export const gsm8kFormat: Format = {
  name: "gsm8k",
  matches: (record) => "question" in record && "answer" in record,
  parse(record) {
    const { question, answer } = parseRecord(gsm8kSchema, record);
    const stated = finalAnswer(answer);
    if (stated === undefined)
      throw badRecord("no_answer", 'field "answer" has no line "#### <answer>" or "A: <answer>"');
    return { kind: "problem", prompt: question, gold: answer, answer: stated };
  },
};

const problemSchema = z.object({
  gold: z.string().nullish(),
  answer: z.union([z.string(), z.number()]).transform(String).nullish(),
});

export const problemsFormat: Format = {
  name: "problems",
  matches: (record) => "prompt" in record,
  parse(record, options) {
    const { gold, answer } = parseRecord(problemSchema, record);
    return {
      kind: "problem",
      prompt: promptText(record, options),
      gold: gold ?? undefined,
      answer: answer ?? undefined,
    };
  },
};
