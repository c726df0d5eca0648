// How several solutions are found and which of them is returned: the fields of POST /generate beyond those of sampling one text.
// `num_beams`, `length_penalty` and `early_stopping` are Hugging Face's; best_of is TGI's.

import { z } from "zod";
import { AGGREGATIONS } from "../../shared/aggregate.ts";
import { RANKINGS, VOTES } from "../../shared/search/rank.ts";
import { STEP_SEARCHES } from "../../shared/search/step-search.ts";

const MAX_BEAMS = 8;
/** Rows that one round of a step search writes. */
const MAX_ROWS = 16;
/** Requests to the engine at a time. */
export const MAX_WIDTH = 4;
const MAX_DEPTH = 24;
const MAX_BUDGET = 4096;

const stepSearchSchema = z
  .strictObject({
    type: z.enum(STEP_SEARCHES),
    width: z.int().positive().max(MAX_WIDTH).default(2).describe("Prefixes kept after each step."),
    expand: z.int().positive().max(MAX_ROWS).default(4).describe("Next steps written from each."),
    depth: z.int().positive().max(MAX_DEPTH).default(16).describe("Most steps of a solution."),
    max_step_tokens: z.int().positive().max(256).default(64),
    budget_tokens: z.int().positive().max(MAX_BUDGET).default(1024).describe("Most tokens written in all."),
  })
  .refine(({ width, expand }) => width * expand <= MAX_ROWS, {
    path: ["expand"],
    message: `times width is more than ${MAX_ROWS}`,
  });

export const searchShape = {
  num_beams: z.int().positive().max(MAX_BEAMS).nullish().describe("Beam search; 1 is greedy."),
  length_penalty: z
    .number()
    .min(-5)
    .max(5)
    .nullish()
    .describe("Of beam search: a score is the log-prob by length ** this."),
  early_stopping: z.union([z.boolean(), z.literal("never")]).nullish(),
  search: stepSearchSchema.nullish().describe("Search over steps, guided by the reward model."),
  rank_by: z.enum(RANKINGS).nullish().describe("What puts several solutions in order."),
  vote: z.enum(VOTES).nullish().describe("Return a solution of the final answer that most solutions have."),
  aggregation: z.enum(AGGREGATIONS).nullish().describe("Of step scores to a solution's."),
  n: z.int().positive().max(MAX_ROWS).nullish().describe("Also list the best n solutions."),
};

const searchParametersSchema = z.object(searchShape);
export type SearchParameters = z.output<typeof searchParametersSchema>;

/** What is wrong with fields that are right by themselves: the field, and why. */
export function searchConflict(
  parameters: SearchParameters &
    Partial<Record<"best_of" | "min_new_tokens" | "temperature", number | null | undefined>> & {
      prefix?: string | null | undefined;
    },
  doSample: boolean,
): { field: string; message: string } | undefined {
  const { num_beams: beams, search, best_of: bestOf, n } = parameters;
  const isBeam = (beams ?? 1) > 1;
  const isBestOf = (bestOf ?? 1) > 1;
  const isSearch = search !== undefined && search !== null;
  if ([isBeam, isBestOf, isSearch].filter(Boolean).length > 1) {
    return { field: isSearch ? "search" : "num_beams", message: "send one of `best_of`, `num_beams` and `search`" };
  }
  if (isBeam && doSample)
    return { field: "num_beams", message: "does not sample: leave temperature, top_k and the like out" };
  if (isBestOf && !doSample) return { field: "best_of", message: "needs sampling: set do_sample or temperature" };
  if (isSearch && parameters.temperature === 0) {
    return { field: "temperature", message: "is 0, but a search draws its steps: send one above, or none" };
  }
  if (isSearch && (parameters.min_new_tokens ?? 0) > 0) {
    return { field: "min_new_tokens", message: "cannot be kept by a search that writes step by step" };
  }
  if (isSearch && (parameters.prefix ?? "") !== "") {
    return { field: "prefix", message: "is not for a search, which begins with nothing" };
  }
  const isOne = !isBeam && !isBestOf && !isSearch;
  if (isOne && isAsked(parameters)) {
    return {
      field: n === undefined || n === null ? "rank_by" : "n",
      message: "needs `best_of`, `num_beams` or `search`",
    };
  }
  const most = isSearch ? search.width : (bestOf ?? beams ?? 1);
  if ((n ?? 1) > most) return { field: "n", message: `is more than the ${most} solutions that are found` };
  return undefined;
}

function isAsked({ n, rank_by: rankBy, vote }: SearchParameters): boolean {
  const isVoting = vote !== undefined && vote !== null && vote !== "none";
  return (n ?? 1) > 1 || isVoting || (rankBy !== undefined && rankBy !== null);
}
