// What OpenAI's two generating endpoints share. Fields of TGI's parameters are taken too: @huggingface/inference sends them here.
// https://platform.openai.com/docs/api-reference

import { z } from "zod";
import { MAX_CANDIDATES, type Parameters, parametersSchema } from "../generate-parameters.ts";

const { max_new_tokens: _max, best_of: _best, stop: _stop, details: _details, ...shared } = parametersSchema.shape;

const stopString = z.string().min(1).max(64);

/** A field that is accepted only where it asks for nothing. */
export const off = z.union([z.null(), z.literal(false), z.literal(0)], { error: "is not supported" }).optional();

export const commonShape = {
  ...shared,
  model: z.string().nullish().describe("A model's name, the server's URL, or absent."),
  max_tokens: z.int().positive().nullish(),
  temperature: z.number().nonnegative().max(2).nullish().describe("1 by default, as at OpenAI; 0 is greedy."),
  n: z.int().positive().max(MAX_CANDIDATES).nullish(),
  stop: z.union([stopString, z.array(stopString).max(4)]).nullish(),
  stream: z.boolean().nullish(),
  stream_options: z.object({ include_usage: z.boolean().nullish() }).nullish(),
  user: z.string().nullish().describe("Ignored."),
  details: z.boolean().nullish().describe("Ignored: `logprobs` tells the tokens."),
};

export type CommonBody = z.output<z.ZodObject<typeof commonShape>>;

/** The strings that end the text. */
export function stopsOf({ stop }: Pick<CommonBody, "stop">): string[] {
  return typeof stop === "string" ? [stop] : (stop ?? []);
}

/** The same request in TGI's parameters. OpenAI samples at temperature 1 unless told otherwise. */
export function parametersOf(body: CommonBody): Parameters {
  const { model, max_tokens, n, stop, stream, stream_options, user, details, ...rest } = body;
  const given = rest.temperature !== undefined && rest.temperature !== null;
  const temperature = given || rest.do_sample === false ? rest.temperature : 1;
  return { ...rest, temperature, max_new_tokens: max_tokens, stop: stopsOf(body) };
}
