// How an answer tells that the model's vocabulary lacks characters of the request: each run of them is read as one and the same token, so
// that "3 < 4" and "3 } 4" are the same text to it. The tokens are counted under `usage`, `warnings` names the characters.

import { MAX_NAMED, type UnknownText } from "../../shared/unknown-characters.ts";

export interface UnknownWarning {
  code: "unknown_characters";
  message: string;
  /** Each once, at most 20. */
  characters: string[];
}

/** For `usage`, in shapes of our own. */
export function unknownTokens(unknown: UnknownText | undefined): { unknown_tokens: number } {
  return { unknown_tokens: unknown?.tokens ?? 0 };
}

/** For `usage` in the shapes of others, whose strict clients see nothing new while there is nothing to tell. */
export function anyUnknownTokens(unknown: UnknownText | undefined): { unknown_tokens?: number } {
  return unknown === undefined ? {} : { unknown_tokens: unknown.tokens };
}

/** Of two answers to one record. */
export function joinWarnings(...answers: readonly { warnings?: UnknownWarning[] }[]): { warnings?: UnknownWarning[] } {
  const told = answers.flatMap(({ warnings = [] }) => warnings);
  const characters = [...new Set(told.flatMap((warning) => warning.characters))].slice(0, MAX_NAMED);
  return told[0] === undefined ? {} : { warnings: [{ ...told[0], characters }] };
}

/** For an answer; nothing while every character is known. */
export function warningsOf(unknown: UnknownText | undefined): { warnings?: UnknownWarning[] } {
  if (unknown === undefined) return {};
  const { characters } = unknown;
  const message =
    "The model's vocabulary lacks characters of this request: it reads each run of them as one unknown token, whichever they are.";
  return { warnings: [{ code: "unknown_characters", message, characters }] };
}
