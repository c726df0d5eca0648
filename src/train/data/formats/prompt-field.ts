// The prompt of a record: a text, or messages that a template makes one text of, under any of the names that data sets give it.

import { badRecord } from "../bad-record.ts";
import { renderPrompt } from "./chat-template.ts";
import { isMessages, type Message, parseMessages } from "./messages.ts";
import type { Fields, ParseOptions } from "./parsed.ts";

/** Names of the prompt, the first that a record has. */
const PROMPT_NAMES = ["prompt", "question", "instruction", "query", "input"] as const;

export function promptName(record: Fields): string | undefined {
  return PROMPT_NAMES.find((name) => (record[name] ?? undefined) !== undefined);
}

/** The messages that a record's prompt stands for, its own system message first. Throws InputError for a prompt of another type. */
export function promptMessages(record: Fields): Message[] {
  const name = promptName(record) ?? "prompt";
  const prompt = record[name];
  const system: Message[] =
    typeof record.system === "string" && record.system.trim() !== ""
      ? [{ role: "system", content: record.system }]
      : [];
  if (typeof prompt === "string") return [...system, { role: "user", content: prompt }];
  if (isMessages(prompt)) return [...system, ...parseMessages(prompt, name)];
  const found = prompt === undefined || prompt === null ? "undefined" : Array.isArray(prompt) ? "array" : typeof prompt;
  throw badRecord("bad_field", `field "${name}": Invalid input: expected string, received ${found}`);
}

/** The prompt as one text. */
export function promptText(record: Fields, { chatTemplate }: ParseOptions): string {
  const messages = promptMessages(record);
  // a text is a prompt as it is, whatever the template
  const [only] = messages;
  return messages.length === 1 && only !== undefined && typeof record[promptName(record) ?? "prompt"] === "string"
    ? only.content
    : renderPrompt(messages, chatTemplate);
}
