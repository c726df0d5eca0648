// What of a batch the models' vocabularies lack: told by the worker with every answer, counted here over the records.

import { z } from "zod";
import { commonestFirst, type UnknownText } from "../shared/unknown-characters.ts";
import { printable } from "./printable.ts";

/** Fields of an answer that tell it; other servers have none of them. */
export const unknownFields = {
  usage: z.object({ unknown_tokens: z.number().optional() }).optional().catch(undefined),
  warnings: z
    .array(z.object({ characters: z.array(z.string()) }))
    .optional()
    .catch(undefined),
};

/** The same as a schema of its own. */
export const unknownShape = z.object(unknownFields);

/** What one record's answers told; undefined where every character was known. */
export function unknownOf(...answers: readonly z.infer<typeof unknownShape>[]): UnknownText | undefined {
  const tokens = answers.reduce((sum, { usage }) => sum + (usage?.unknown_tokens ?? 0), 0);
  if (tokens === 0) return undefined;
  const characters = answers.flatMap(({ warnings = [] }) => warnings.flatMap((warning) => warning.characters));
  return { tokens, characters: [...new Set(characters)] };
}

/** Of a batch. */
export interface UnknownSummary {
  /** Records with at least one unknown token. */
  records: number;
  tokens: number;
  /** Characters and the records that they are in, the commonest first. */
  characters: [character: string, records: number][];
}

/** Sums over the records; a record names at most 20 characters of each answer, so that rarer ones may be counted too low. */
export function summarizeUnknown(records: Iterable<UnknownText>): UnknownSummary {
  const counts = new Map<string, number>();
  const summary = { records: 0, tokens: 0 };
  for (const { tokens, characters } of records) {
    summary.records += 1;
    summary.tokens += tokens;
    for (const character of characters) counts.set(character, (counts.get(character) ?? 0) + 1);
  }
  return { ...summary, characters: commonestFirst(counts) };
}

const MAX_TOLD = 5;

/** The summary in a line: records, tokens, and the commonest characters. */
export function unknownLine({ records, tokens, characters }: UnknownSummary): string {
  const named = characters
    .slice(0, MAX_TOLD)
    .map(([character, count]) => `${printable(JSON.stringify(character))} (${count})`);
  const commonest = named.length === 0 ? "" : `; by records, the commonest: ${named.join(", ")}`;
  return `${records} record${records === 1 ? " has" : "s have"} characters that the vocabulary lacks, ${tokens} unknown tokens${commonest}`;
}
