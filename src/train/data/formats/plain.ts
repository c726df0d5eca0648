// Plain pairs: `prompt, chosen, rejected`, with given scores under any of the usual names and labels of the steps if there are any.

import { z } from "zod";
import { badRecord, cleanPair, type LabelledPair, labelSchema, parseRecord } from "../labelled-pair.ts";

const SCORE_NAMES = [
  ["chosen_score", "rejected_score"],
  ["score_chosen", "score_rejected"],
  ["chosen_reward", "rejected_reward"],
] as const;

const plainSchema = z.object({
  prompt: z.string(),
  chosen: z.string(),
  rejected: z.string(),
  chosen_labels: z.array(labelSchema).nullish(),
  rejected_labels: z.array(labelSchema).nullish(),
  chosen_step_scores: z.array(z.number()).nullish(),
  rejected_step_scores: z.array(z.number()).nullish(),
});

/** Parses a plain pair. Throws InputError with the reason as its code. */
export function parsePlainPair(record: Record<string, unknown>): LabelledPair {
  const parsed = parseRecord(plainSchema, record);
  const { prompt, chosen, rejected, chosen_labels, rejected_labels } = parsed;
  const { chosen_step_scores, rejected_step_scores } = parsed;
  return cleanPair({
    prompt,
    chosen,
    rejected,
    ...givenScores(record),
    ...(chosen_labels && { chosen_labels }),
    ...(rejected_labels && { rejected_labels }),
    ...(chosen_step_scores && { chosen_step_scores }),
    ...(rejected_step_scores && { rejected_step_scores }),
  });
}

/** The scores that come with the record; none when it has none. */
function givenScores(record: Record<string, unknown>): { chosen_score?: number; rejected_score?: number } {
  for (const [chosenName, rejectedName] of SCORE_NAMES) {
    const [chosen, rejected] = [record[chosenName] ?? undefined, record[rejectedName] ?? undefined];
    if (chosen === undefined && rejected === undefined) continue;
    if (typeof chosen !== "number" || typeof rejected !== "number") {
      throw badRecord("bad_score", `"${chosenName}" and "${rejectedName}" are not both numbers`);
    }
    return { chosen_score: chosen, rejected_score: rejected };
  }
  return {};
}
