// Anthropic's HH (Bai et al. 2022, arXiv:2204.05862): `chosen` and `rejected` are whole dialogues, "\n\nHuman: ...\n\nAssistant: ...",
// which part at the last answer.

import { badRecord } from "../bad-record.ts";
import { renderPrompt } from "./chat-template.ts";
import { isTranscript, parseTranscript, splitConversations } from "./messages.ts";
import type { Fields, Format, Parsed, ParseOptions } from "./parsed.ts";
import { pairWith } from "./plain.ts";

/** Throws InputError with the reason as its code. */
function parseTranscripts(record: Fields, { chatTemplate }: ParseOptions): Parsed {
  const side = (field: "chosen" | "rejected") => {
    const text = record[field];
    if (isTranscript(text)) return parseTranscript(text, field);
    throw badRecord("bad_field", `"${field}" is no transcript: it has to begin with "Human:" or "Assistant:"`);
  };
  const split = splitConversations(side("chosen"), side("rejected"));
  const prompt = renderPrompt(split.history, chatTemplate);
  return pairWith(record, { prompt, chosen: split.chosen, rejected: split.rejected });
}

export const transcriptsFormat: Format = {
  name: "transcripts",
  matches: ({ prompt, chosen, rejected }) =>
    (prompt === undefined || prompt === null) && isTranscript(chosen) && isTranscript(rejected),
  parse: parseTranscripts,
};
