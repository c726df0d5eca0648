// What OpenAI's two generating endpoints share. Fields of TGI's parameters are taken too (@huggingface/inference sends them here), and those
// that find several solutions and choose among them.
// https://platform.openai.com/docs/api-reference

import { z } from "zod";
import { searchConflict, searchShape } from "../../search/parameters.ts";
import { MAX_CANDIDATES, type Parameters, parametersSchema, samplingOf } from "../generate-parameters.ts";

const {
  max_new_tokens: _max,
  stop: _stop,
  details: _details,
  top_n_tokens: _top,
  return_full_text: _full,
  ...shared
} = parametersSchema.shape;
const { n: _n, ...searchFields } = searchShape;

const stopString = z.string().min(1).max(64);

/** A field that is accepted only where it asks for nothing. */
export const off = z.union([z.null(), z.literal(false), z.literal(0)], { error: "is not supported" }).optional();

export const commonShape = {
  ...shared,
  ...searchFields,
  model: z.string().nullish().describe("A model's name, the server's URL, or absent."),
  max_tokens: z.int().positive().nullish(),
  temperature: z.number().nonnegative().max(2).nullish().describe("1 by default, as at OpenAI; 0 is greedy."),
  n: z.int().positive().max(MAX_CANDIDATES).nullish(),
  best_of: z.int().positive().max(MAX_CANDIDATES).nullish().describe("Draw so many, answer with the `n` best."),
  stop: z.union([stopString, z.array(stopString).max(4)]).nullish(),
  stream: z.boolean().nullish(),
  stream_options: z.object({ include_usage: z.boolean().nullish() }).nullish(),
  score_steps: shared.score_steps.describe("Also the reward model's score of each step, in each choice."),
  user: z.string().nullish().describe("Ignored."),
};

export type CommonBody = z.output<z.ZodObject<typeof commonShape>>;

/** The strings that end the text. */
export function stopsOf({ stop }: Pick<CommonBody, "stop">): string[] {
  return typeof stop === "string" ? [stop] : (stop ?? []);
}

/** Whether solutions are searched for, by beams or by steps, in place of being drawn. */
export function searches({ num_beams: beams, search }: Pick<CommonBody, "num_beams" | "search">): boolean {
  return (beams ?? 1) > 1 || (search ?? null) !== null;
}

/** Whether the reward model or a vote chooses among solutions, or a search finds them. */
export function chooses(body: Pick<CommonBody, "num_beams" | "search" | "rank_by" | "vote">): boolean {
  return searches(body) || (body.rank_by ?? null) !== null || (body.vote ?? "none") !== "none";
}

/** The same request in TGI's parameters. OpenAI samples at temperature 1 unless told otherwise; beams never do. */
export function parametersOf(body: CommonBody): Parameters {
  const { model, max_tokens, n, stop, stream, stream_options, user, search, rank_by, vote, aggregation, ...others } =
    body;
  const { num_beams: beams, length_penalty, early_stopping, best_of: bestOf, ...rest } = others;
  const given = rest.temperature !== undefined && rest.temperature !== null;
  const isGreedy = rest.do_sample === false || (beams ?? 1) > 1;
  const temperature = given || isGreedy ? rest.temperature : 1;
  const drawn = searches(body) ? undefined : (bestOf ?? n ?? 1);
  return { ...rest, temperature, max_new_tokens: max_tokens, stop: stopsOf(body), best_of: drawn };
}

/** How solutions are found and ranked. */
export function searchParametersOf(body: CommonBody) {
  const { num_beams, length_penalty, early_stopping, search, rank_by, vote, aggregation, score_steps, n } = body;
  return { num_beams, length_penalty, early_stopping, search, rank_by, vote, aggregation, score_steps, n };
}

/** Tells zod what is wrong with fields that are right by themselves. */
export function checkTogether(body: CommonBody, ctx: z.RefinementCtx): void {
  const conflict = conflictOf(body);
  if (conflict !== undefined) ctx.addIssue({ code: "custom", path: [conflict.field], message: conflict.message });
}

function conflictOf(body: CommonBody): { field: string; message: string } | undefined {
  const n = body.n ?? 1;
  const bestOf = body.best_of ?? (searches(body) ? 1 : n);
  if (!searches(body) && bestOf < n) return { field: "best_of", message: `is less than n (${n})` };
  if (body.stream === true && bestOf > n) {
    return { field: "best_of", message: "chooses among whole texts, which a stream cannot" };
  }
  if (!chooses(body)) return undefined;
  if (body.stream === true && !searches(body)) {
    const field = (body.rank_by ?? null) === null ? "vote" : "rank_by";
    return { field, message: "chooses among whole texts, which a stream cannot" };
  }
  if (body.stream === true && n > 1) return { field: "n", message: "is more than the one text of a search's stream" };
  const parameters = parametersOf(body);
  return searchConflict(
    { ...parameters, ...searchParametersOf(body), best_of: bestOf },
    samplingOf(parameters).doSample,
  );
}
