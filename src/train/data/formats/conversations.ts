// Conversational pairs: `chosen` and `rejected` are lists of messages. TRL's conversational preference type with explicit prompt (`prompt`
// is a list of messages, the sides hold the answer) and with implicit prompt (the sides hold the whole conversation); UltraFeedback-binarized,
// distilabel and argilla's cleaned sets (a `prompt` text beside whole conversations, scores or ratings).

import { badRecord } from "../bad-record.ts";
import { renderPrompt } from "./chat-template.ts";
import { isMessages, type Message, parseMessages, splitConversations } from "./messages.ts";
import type { Fields, Format, Parsed, ParseOptions } from "./parsed.ts";
import { pairWith } from "./plain.ts";
import { promptMessages, promptName } from "./prompt-field.ts";

/** The prompt's messages before those of the sides, unless the sides repeat them. */
function fullHistory(record: Fields, history: readonly Message[]): Message[] {
  const name = promptName(record);
  if (name === undefined) return [...history];
  const given = promptMessages(record);
  const [question] = given.slice(-1);
  if (history.length === 0) return given;
  const asked = history.filter(({ role }) => role === "user").map(({ content }) => content.trim());
  const repeats = given.filter(({ role }) => role === "user").every(({ content }) => asked.includes(content.trim()));
  if (!repeats)
    throw badRecord(
      "different_prompts",
      `"${name}" asks ${JSON.stringify(question?.content.slice(0, 40))}, the messages of "chosen" something else`,
    );
  const system = given.filter(({ role }) => role === "system");
  return history.some(({ role }) => role === "system") ? [...history] : [...system, ...history];
}

/** Throws InputError with the reason as its code. */
function parseConversations(record: Fields, { chatTemplate }: ParseOptions): Parsed {
  const chosen = parseMessages(record.chosen, "chosen");
  const rejected = parseMessages(record.rejected, "rejected");
  const split = splitConversations(chosen, rejected);
  const prompt = renderPrompt(fullHistory(record, split.history), chatTemplate);
  return pairWith(record, { prompt, chosen: split.chosen, rejected: split.rejected });
}

export const conversationsFormat: Format = {
  name: "conversations",
  matches: ({ chosen, rejected }) => isMessages(chosen) || isMessages(rejected),
  parse: parseConversations,
};
