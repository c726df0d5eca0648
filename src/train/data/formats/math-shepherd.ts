// Step labels of Math-Shepherd (Wang et al. 2023, arXiv:2312.08935): `input` is the question and its steps, each ended by the tag "ки";
// `label` is the same text with "+" or "-" in the tags' places. All steps are labelled, those after a mistake too.

import { z } from "zod";
import { badRecord, parseRecord } from "../bad-record.ts";
import type { Format } from "./parsed.ts";

const STEP_TAG = "ки";
const FIRST_STEP = /\s*\bStep 1:/;

const shepherdSchema = z.object({ input: z.string(), label: z.string() });

export const mathShepherdFormat: Format = {
  name: "math_shepherd",
  matches: (record) => typeof record.input === "string" && "label" in record,
  parse(record) {
    const { input, label } = parseRecord(shepherdSchema, record);
    const texts = input.split(STEP_TAG);
    texts.pop(); // nothing, or text after the last tag that no label covers
    if (texts.length === 0) throw badRecord("no_steps", `"input" has no step tag "${STEP_TAG}"`);
    let cursor = 0;
    const labels = texts.map((text, i) => {
      const sign = label.startsWith(text, cursor) ? label[cursor + text.length] : undefined;
      cursor += text.length + 1;
      if (sign === "+" || sign === "-") return sign === "+" ? 1 : 0;
      throw badRecord("label_count", `"label" has no + or - where "input" has its step tag ${i + 1}`);
    });
    const start = FIRST_STEP.exec(texts[0] ?? "");
    if (start === null) throw badRecord("no_question", '"input" has no "Step 1:" behind a question');
    const prompt = input.slice(0, start.index);
    return { kind: "solution", prompt, texts: [(texts[0] ?? "").slice(start.index), ...texts.slice(1)], labels };
  },
};
