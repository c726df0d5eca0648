// TRL's unpaired preference: `prompt, completion, label`, one completion judged as a whole. A good and a bad one of the same prompt make a pair.

import { z } from "zod";
import { badRecord, parseRecord } from "../bad-record.ts";
import { isMessages, parseMessages } from "./messages.ts";
import type { Fields, Format, Parsed, ParseOptions } from "./parsed.ts";
import { promptText } from "./prompt-field.ts";

const labelSchema = z.object({ label: z.union([z.boolean(), z.literal(0), z.literal(1)]) });

/** Throws InputError with the reason as its code. */
function parseJudged(record: Fields, options: ParseOptions): Parsed {
  const { label } = parseRecord(labelSchema, record);
  return {
    kind: "judged",
    prompt: promptText(record, options),
    completion: completionText(record.completion),
    isGood: Boolean(label),
  };
}

function completionText(completion: unknown): string {
  if (typeof completion === "string") return completion;
  if (!isMessages(completion)) throw badRecord("bad_field", 'field "completion": neither a text nor messages');
  const messages = parseMessages(completion, "completion");
  const [answer] = messages;
  if (messages.length === 1 && answer?.role === "assistant") return answer.content;
  throw badRecord("bad_field", 'field "completion": more than one answer of the assistant');
}

export const judgedFormat: Format = {
  name: "unpaired",
  matches: (record) => "completion" in record && "label" in record,
  parse: parseJudged,
};
