// GET /v1/models and POST /v1/completions, for clients of OpenAI's API: the policy as a completion model.
// https://platform.openai.com/docs/api-reference/completions

import type { Context } from "hono";
import { z } from "zod";
import type { Candidate } from "../engine/generate.ts";
import { endOfStop } from "../engine/stop.ts";
import type { AppDeps, AppEnv } from "../http/app-env.ts";
import { HttpError } from "../http/errors.ts";
import { readJson } from "../http/read-json.ts";
import { MAX_CANDIDATES, randomSeed, samplingOf } from "./generate-parameters.ts";
import { pauseFor } from "./pause.ts";
import { text } from "./text.ts";

const stopString = z.string().min(1).max(64);
const off = z.union([z.null(), z.literal(false), z.literal(0)], { error: "is not supported" }).optional();

export const completionsSchema = z.strictObject({
  model: z.string().nullish().describe("The policy's name, or absent."),
  prompt: z.union([text, z.tuple([text])], { error: "must be one text" }),
  max_tokens: z.int().positive().nullish().describe("16 by default, as at OpenAI."),
  temperature: z.number().nonnegative().max(2).nullish().describe("1 by default, as at OpenAI; 0 is greedy."),
  top_p: z.number().positive().max(1).nullish(),
  n: z.int().positive().max(MAX_CANDIDATES).nullish(),
  stop: z.union([stopString, z.array(stopString).max(4)]).nullish(),
  seed: z.int().nonnegative().nullish(),
  user: z.string().nullish().describe("Ignored."),
  best_of: off,
  echo: off,
  frequency_penalty: off,
  logit_bias: off,
  logprobs: off,
  presence_penalty: off,
  stream: off,
  stream_options: off,
  suffix: off,
});

/** OpenAI's text does not hold the stop string. */
function choice({ text: generated, finishReason }: Candidate, index: number, stops: readonly string[]) {
  const end = finishReason === "stop_sequence" ? endOfStop(generated, stops) : undefined;
  const stop = end === undefined ? undefined : stops.find((one) => generated.slice(0, end).endsWith(one));
  return {
    index,
    text: end === undefined ? generated : generated.slice(0, end - (stop?.length ?? 0)),
    logprobs: null,
    finish_reason: finishReason === "length" ? "length" : "stop",
  };
}

/** The handler of POST /v1/completions. */
export function handleCompletions({ engine, settings, metrics }: AppDeps) {
  return async (c: Context<AppEnv>): Promise<Response> => {
    const body = await readJson(c, completionsSchema, settings.MAX_BODY_BYTES);
    const { policy } = await engine.load();
    const name = policy.manifest.model;
    if (typeof body.model === "string" && body.model !== name) {
      throw new HttpError(404, "model_not_found", `this worker's model is "${name}" (field "model").`);
    }
    const stop = typeof body.stop === "string" ? [body.stop] : (body.stop ?? []);
    const generation = await engine.generate({
      prompt: typeof body.prompt === "string" ? body.prompt : body.prompt[0],
      maxNewTokens: body.max_tokens ?? 16,
      sampling: samplingOf({ temperature: body.temperature ?? 1, top_p: body.top_p }),
      seed: (body.seed ?? randomSeed()) % 2 ** 32,
      stop,
      repetitionPenalty: 1,
      candidates: body.n ?? 1,
      pause: pauseFor(c),
    });
    const completionTokens = generation.candidates.reduce((sum, { ids }) => sum + ids.length, 0);
    metrics.add("stepwise_prompt_tokens_total", generation.promptTokens);
    metrics.add("stepwise_generated_tokens_total", completionTokens);
    return c.json({
      id: `cmpl-${c.get("requestId")}`,
      object: "text_completion",
      created: Math.floor(Date.now() / 1000),
      model: name,
      choices: generation.candidates.map((candidate, index) => choice(candidate, index, stop)),
      usage: {
        prompt_tokens: generation.promptTokens,
        completion_tokens: completionTokens,
        total_tokens: generation.promptTokens + completionTokens,
      },
    });
  };
}

/** The handler of GET /v1/models. */
export function handleModels({ engine }: AppDeps) {
  return async (c: Context<AppEnv>): Promise<Response> => {
    const { policy, reward } = await engine.load();
    const models = new Map([policy, reward].map(({ manifest }) => [manifest.model, manifest]));
    return c.json({
      object: "list",
      data: [...models.values()].map(({ model, created }) => ({
        id: model,
        object: "model",
        created: Math.floor(Date.parse(created) / 1000),
        owned_by: "stepwise-dpo",
      })),
    });
  };
}
