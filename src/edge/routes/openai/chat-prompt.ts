// A chat as one prompt, for a model that was tuned on single questions. One question is the prompt as it stands; otherwise the system's
// words come first and each later message stands on lines of its own after its role:
//
//   {system}
//   User: {question}
//   Assistant: {answer}
//   User: {question}
//
// A last message of the assistant is not part of the prompt: it is the beginning of the answer.

import { z } from "zod";
import { text } from "../text.ts";

const part = z.strictObject({ type: z.literal("text", { error: "only text is read" }), text: z.string() });
const content = z.union([text, z.array(part).min(1)], { error: "must be a text, or a list of parts of type text" });

export const messagesSchema = z
  .array(
    z.object({
      role: z.enum(["system", "developer", "user", "assistant"], { error: "is not a role that is read" }),
      content,
    }),
  )
  .min(1)
  .max(64)
  .superRefine((messages, ctx) => {
    if (messages.some(({ role }) => role === "user")) return;
    ctx.addIssue({ code: "custom", path: [], message: "holds no message of the user" });
  });

export type Messages = z.output<typeof messagesSchema>;

const ROLES = { user: "User: ", assistant: "Assistant: ", system: "", developer: "" } as const;

/** The prompt, and what the answer begins with. */
export function chatPrompt(messages: Messages): { prompt: string; prefix: string | undefined } {
  const said = messages.map((message) => ({ role: message.role, text: textOf(message.content) }));
  const prefix = said.at(-1)?.role === "assistant" ? said.pop()?.text : undefined;
  const turns = said.filter(({ role }) => role === "user" || role === "assistant");
  if (turns.length > 1) return { prompt: said.map((one) => ROLES[one.role] + one.text).join("\n"), prefix };
  return { prompt: said.map((one) => one.text).join("\n"), prefix };
}

function textOf(given: z.output<typeof content>): string {
  return typeof given === "string" ? given : given.map((one) => one.text).join("\n");
}
