// Messages before the last answer as one prompt. T5 has no chat format of its own: what it was tuned on decides, so the template is named.

import { badRecord } from "../bad-record.ts";
import type { Message } from "./messages.ts";

export const CHAT_TEMPLATES = ["plain", "transcript", "chatml", "last-turn"] as const;
export type ChatTemplate = (typeof CHAT_TEMPLATES)[number];

/** Names of the speakers in a plain prompt and in a transcript as Anthropic's HH has them. */
const SPEAKERS = {
  plain: { user: "User", assistant: "Assistant" },
  transcript: { user: "Human", assistant: "Assistant" },
} as const;

/**
 * One prompt, which ends where the assistant speaks next.
 * - `plain`: one user turn alone is its text; more are "User: ...", "Assistant: ..." with a blank line between, and "Assistant:" at the end.
 *   A system message stands before them.
 * - `transcript`: the same with "Human:", also for one turn alone.
 * - `chatml`: `<|im_start|>role ... <|im_end|>`.
 * - `last-turn`: the last user turn, and the system message before it.
 */
export function renderPrompt(history: readonly Message[], template: ChatTemplate): string {
  const last = history.at(-1);
  if (last === undefined) throw badRecord("no_prompt", "no message stands before the answers");
  if (last.role === "assistant")
    throw badRecord("no_question", "the message before the answers is the assistant's own");
  if (template === "chatml") {
    const turns = history.map(({ role, content }) => `<|im_start|>${role}\n${content}<|im_end|>\n`);
    return `${turns.join("")}<|im_start|>assistant\n`;
  }
  const system = history.filter(({ role }) => role === "system").map(({ content }) => content);
  const turns = history.filter(({ role }) => role !== "system");
  if (template === "last-turn" || (template === "plain" && turns.length === 1))
    return [...system, turns.at(-1)?.content ?? ""].join("\n\n");
  const speakers = SPEAKERS[template];
  const spoken = turns.map(
    ({ role, content }) => `${role === "user" ? speakers.user : speakers.assistant}: ${content}`,
  );
  return [...system, ...spoken, `${speakers.assistant}:`].join("\n\n");
}
