// Pairs whose answers are called responses: argilla's and distilabel's sets (`instruction, chosen_response, rejected_response`, average
// ratings), and ms-swift's (`query, response, rejected_response` with `history` and `system`, or `messages` whose last one is the chosen
// answer, with `rejected_response` or `rejected_messages`).

import { z } from "zod";
import { parseRecord } from "../bad-record.ts";
import { renderPrompt } from "./chat-template.ts";
import { type Message, parseMessages, splitConversations } from "./messages.ts";
import type { Fields, Format, Parsed, ParseOptions } from "./parsed.ts";
import { pairWith } from "./plain.ts";
import { promptMessages, promptText } from "./prompt-field.ts";

const responsesSchema = z.object({ chosen_response: z.string(), rejected_response: z.string() });

export const responsesFormat: Format = {
  name: "responses",
  matches: (record) => "chosen_response" in record,
  parse(record, options) {
    const { chosen_response: chosen, rejected_response: rejected } = parseRecord(responsesSchema, record);
    return pairWith(record, { prompt: promptText(record, options), chosen, rejected });
  },
};

const turnsSchema = z.array(z.tuple([z.string(), z.string()]));
const swiftSchema = z.object({
  response: z.string(),
  rejected_response: z.string(),
  history: turnsSchema.nullish(),
});

/** Throws InputError with the reason as its code. */
function parseSwift(record: Fields, { chatTemplate }: ParseOptions): Parsed {
  if ("messages" in record) {
    const chosen = parseMessages(record.messages, "messages");
    const rejected =
      "rejected_messages" in record
        ? parseMessages(record.rejected_messages, "rejected_messages")
        : chosen
            .slice(0, -1)
            .concat(parseMessages([{ role: "assistant", content: record.rejected_response }], "rejected_response"));
    const split = splitConversations(chosen, rejected);
    const prompt = renderPrompt(split.history, chatTemplate);
    return pairWith(record, { prompt, chosen: split.chosen, rejected: split.rejected });
  }
  const { response: chosen, rejected_response: rejected, history } = parseRecord(swiftSchema, record);
  const asked = promptMessages(record);
  const turns = (history ?? []).flatMap(([query, answer]): Message[] => [
    { role: "user", content: query },
    { role: "assistant", content: answer },
  ]);
  const messages = [...asked.slice(0, -1), ...turns, ...asked.slice(-1)];
  return pairWith(record, { prompt: renderPrompt(messages, chatTemplate), chosen, rejected });
}

export const swiftFormat: Format = {
  name: "ms_swift",
  matches: (record) =>
    ("messages" in record || "response" in record) && ("rejected_response" in record || "rejected_messages" in record),
  parse: parseSwift,
};
