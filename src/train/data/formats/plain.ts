// Plain pairs: `prompt, chosen, rejected`, with labels of the steps if there are any. TRL's standard preference type, explicit prompt.

import { z } from "zod";
import { badRecord, parseRecord } from "../bad-record.ts";
import type { LabelledPair } from "../labelled-pair.ts";
import { stepLabelSchema } from "../labelled-solution.ts";
import type { Fields, Format, Parsed, ParseOptions } from "./parsed.ts";
import { promptName, promptText } from "./prompt-field.ts";

const sidesSchema = z.object({ chosen: z.string(), rejected: z.string() });

const besideSchema = z.object({
  chosen_labels: z.array(stepLabelSchema).nullish(),
  rejected_labels: z.array(stepLabelSchema).nullish(),
  chosen_step_scores: z.array(z.number()).nullish(),
  rejected_step_scores: z.array(z.number()).nullish(),
  chosen_cut: z.boolean().nullish().catch(undefined),
  rejected_cut: z.boolean().nullish().catch(undefined),
  // of another type they are something else
  gold: z.string().nullish().catch(undefined),
  answer: z.union([z.string(), z.number()]).transform(String).nullish().catch(undefined),
});

/** A pair of these texts with what else the record says of it: labels, scores, the problem's solution. */
export function pairWith(record: Fields, pair: LabelledPair): Parsed {
  const { gold, answer, ...beside } = parseRecord(besideSchema, record);
  const { chosen_labels, rejected_labels, chosen_step_scores, rejected_step_scores, chosen_cut, rejected_cut } = beside;
  return {
    kind: "pair",
    pair: {
      ...pair,
      ...(chosen_labels && { chosen_labels }),
      ...(rejected_labels && { rejected_labels }),
      ...(chosen_step_scores && { chosen_step_scores }),
      ...(rejected_step_scores && { rejected_step_scores }),
      ...(chosen_cut && { chosen_cut }),
      ...(rejected_cut && { rejected_cut }),
    },
    scored: record,
    gold: gold ?? undefined,
    answer: answer ?? undefined,
  };
}

/** Parses a plain pair. Throws InputError with code `bad_field` or `no_prompt`. */
export function parsePlain(record: Fields, options: ParseOptions): Parsed {
  const { chosen, rejected } = parseRecord(sidesSchema, record);
  if (promptName(record) === undefined && !("prompt" in record)) {
    throw badRecord("no_prompt", '"chosen" and "rejected" are plain texts and there is no "prompt"');
  }
  return pairWith(record, { prompt: promptText(record, options), chosen, rejected });
}

export const plainFormat: Format = {
  name: "pairs",
  matches: (record) => "chosen" in record || "rejected" in record,
  parse: parsePlain,
};
