// GET /openapi.json: the endpoints, their bodies from the same schemas that check them. https://spec.openapis.org/oas/v3.1.1

import type { Context } from "hono";
import { z } from "zod";
import type { AppEnv } from "../http/app-env.ts";
import { generateSchema } from "./generate.ts";
import { getRewardSchema } from "./get-reward.ts";
import { completionsSchema } from "./openai.ts";
import { scoreSchema } from "./score.ts";

const FAILURES = {
  400: "The body is not JSON.",
  401: "The API key is missing or wrong.",
  413: "The body is too large.",
  422: "A field is wrong; the error names it.",
  429: "Too many requests.",
  500: "A fault inside; only the request id is told.",
  503: "The models are not ready, or too many requests wait.",
};

const errorBody = { content: { "application/json": { schema: { $ref: "#/components/schemas/Error" } } } };
const failures = Object.fromEntries(
  Object.entries(FAILURES).map(([status, description]) => [status, { description, ...errorBody }]),
);

function get(summary: string) {
  return { get: { summary, responses: { 200: { description: "OK" }, ...failures } } };
}

function post(summary: string, schema: z.ZodType) {
  const requestBody = {
    required: true,
    content: { "application/json": { schema: z.toJSONSchema(schema, { io: "input" }) } },
  };
  return { post: { summary, requestBody, responses: { 200: { description: "OK" }, ...failures } } };
}

/** The document; the same at every call. */
export function openapiDocument() {
  return {
    openapi: "3.1.1",
    info: { title: "Stepwise DPO", version: "0.1.0", description: "Generation and step scores by T5 at the edge." },
    security: [{}, { apiKey: [] }],
    paths: {
      "/generate": post("Complete a prompt with the policy.", generateSchema),
      "/score": post("Score the steps of completions with the reward model.", scoreSchema),
      "/health": get("Whether the models can be used; needs no key."),
      "/info": get("The models, their files and the worker's settings."),
      "/v1/models": get("OpenAI's list of models."),
      "/v1/completions": post("OpenAI's completions.", completionsSchema),
      "/get_reward": post("OpenRLHF's remote reward model.", getRewardSchema),
      "/metrics": get("Counters of this isolate, for Prometheus."),
      "/openapi.json": get("This document."),
    },
    components: {
      schemas: {
        Error: {
          type: "object",
          required: ["error", "error_type"],
          properties: { error: { type: "string" }, error_type: { type: "string" }, request_id: { type: "string" } },
        },
      },
      securitySchemes: { apiKey: { type: "http", scheme: "bearer" } },
    },
  };
}

/** The handler of GET /openapi.json. */
export function handleOpenapi() {
  return (c: Context<AppEnv>): Response => c.json(openapiDocument());
}
