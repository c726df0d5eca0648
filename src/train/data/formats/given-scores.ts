// Scores and ratings that come with a pair, under any of the names that data sets give them. They replace the reward model's.

import { badRecord } from "../bad-record.ts";
import type { Fields } from "./parsed.ts";

const SCORE_NAMES = [
  ["chosen_score", "rejected_score"],
  ["score_chosen", "score_rejected"],
  ["chosen_reward", "rejected_reward"],
  ["chosen_rating", "rejected_rating"],
  ["rating_chosen", "rating_rejected"],
  ["chosen-rating", "rejected-rating"],
  ["chosen_avg_rating", "rejected_avg_rating"],
] as const;

/** All names of given scores, for readers of files that have only text. */
export const SCORE_FIELDS: readonly string[] = SCORE_NAMES.flat();

/** The scores that come with the record; none when it has none. Throws InputError with code `bad_score`. */
export function givenScores(record: Fields): { chosen_score?: number; rejected_score?: number } {
  for (const [chosenName, rejectedName] of SCORE_NAMES) {
    const [chosen, rejected] = [record[chosenName] ?? undefined, record[rejectedName] ?? undefined];
    if (chosen === undefined && rejected === undefined) continue;
    if (typeof chosen !== "number" || typeof rejected !== "number")
      throw badRecord("bad_score", `"${chosenName}" and "${rejectedName}" are not both numbers`);
    if (!Number.isFinite(chosen) || !Number.isFinite(rejected))
      throw badRecord("bad_score", `"${chosenName}" is ${chosen}, "${rejectedName}" ${rejected}`);
    return { chosen_score: chosen, rejected_score: rejected };
  }
  return {};
}
