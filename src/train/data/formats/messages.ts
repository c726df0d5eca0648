// Lists of messages, as chat data sets have them: {role, content} (OpenAI, TRL), {from, value} (ShareGPT), or one text in which
// "\n\nHuman:" and "\n\nAssistant:" take turns (Anthropic's HH). The prompt of two conversations is their longest common beginning, whole messages only.

import { badRecord, isObject } from "../bad-record.ts";

export interface Message {
  role: "system" | "user" | "assistant";
  content: string;
}

const ROLES: Readonly<Record<string, Message["role"]>> = {
  system: "system",
  developer: "system",
  user: "user",
  human: "user",
  prompter: "user",
  assistant: "assistant",
  gpt: "assistant",
  model: "assistant",
  bot: "assistant",
};

/** Whether a value is a list of messages, or one message. */
export function isMessages(value: unknown): boolean {
  return Array.isArray(value) ? value.length > 0 && value.every(isMessage) : isMessage(value);
}

function isMessage(value: unknown): boolean {
  return isObject(value) && (("role" in value && "content" in value) || ("from" in value && "value" in value));
}

/** Parses the messages of a field. Throws InputError with code `unknown_role`, `empty_message` or `bad_field`. */
export function parseMessages(value: unknown, field: string): Message[] {
  const list: unknown[] = Array.isArray(value) ? value : [value];
  if (list.length === 0) throw badRecord("empty_message", `"${field}" has no message`);
  return list.map((entry, i) => {
    const place = `${field}[${i}]`;
    if (!isObject(entry)) throw badRecord("bad_field", `"${place}" is no message: {role, content}`);
    const name = String(entry.role ?? entry.from);
    const role = ROLES[name.toLowerCase()];
    if (role === undefined)
      throw badRecord("unknown_role", `"${place}" has the role "${name}"; known are ${Object.keys(ROLES).join(", ")}`);
    const content = contentText(entry.content ?? entry.value, place);
    if (content.trim() === "") throw badRecord("empty_message", `"${place}" is empty`);
    return { role, content };
  });
}

/** A text, or a list of text parts. */
function contentText(content: unknown, place: string): string {
  if (typeof content === "string") return content;
  if (Array.isArray(content) && content.every((part) => isObject(part) && typeof part.text === "string"))
    return content.map((part) => part.text).join("\n");
  throw badRecord("bad_field", `"${place}" has no text as its content`);
}

const TURN = /(?:^|\n\n)(Human|Assistant):/;

/** Whether a text is a transcript of turns. */
export function isTranscript(value: unknown): value is string {
  return typeof value === "string" && /^\s*(Human|Assistant):/.test(value);
}

/** The turns of a transcript. Throws InputError with code `empty_message`. */
export function parseTranscript(text: string, field: string): Message[] {
  const parts = text.replace(/\r\n?/g, "\n").trim().split(TURN);
  const turns: { role: string; content: string }[] = [];
  for (let i = 1; i < parts.length; i += 2) turns.push({ role: parts[i] ?? "", content: (parts[i + 1] ?? "").trim() });
  return parseMessages(turns, field);
}

/** A conversation's beginning that both sides share, and the one answer of each after it. */
export interface Split {
  history: Message[];
  chosen: string;
  rejected: string;
}

/**
 * Splits two conversations where they part. Throws InputError with code `ends_in_user_turn`, `different_prompts` (they part at a user's or
 * system's message) or `several_turns` (they part earlier than at the last answer).
 */
export function splitConversations(chosen: readonly Message[], rejected: readonly Message[]): Split {
  const answer = (side: readonly Message[], field: string): string => {
    const last = side.at(-1);
    if (last?.role === "assistant") return last.content;
    throw badRecord("ends_in_user_turn", `"${field}" ends in a ${last?.role} turn, not in an answer`);
  };
  const [chosenAnswer, rejectedAnswer] = [answer(chosen, "chosen"), answer(rejected, "rejected")];
  const most = Math.min(chosen.length, rejected.length) - 1;
  let shared = 0;
  while (shared < most && isSame(chosen[shared], rejected[shared])) shared++;
  const parting = [chosen[shared], rejected[shared]].find((message) => message?.role !== "assistant");
  if (parting !== undefined)
    throw badRecord("different_prompts", `"chosen" and "rejected" differ at message ${shared}, a ${parting.role} turn`);
  if (chosen.length !== shared + 1 || rejected.length !== shared + 1)
    throw badRecord(
      "several_turns",
      `"chosen" and "rejected" go different ways before their last answers (message ${shared})`,
    );
  return { history: chosen.slice(0, shared), chosen: chosenAnswer, rejected: rejectedAnswer };
}

function isSame(a: Message | undefined, b: Message | undefined): boolean {
  return a?.role === b?.role && a?.content.trim() === b?.content.trim();
}
