// GET /openapi.json: the endpoints, their bodies from the same schemas that check them. https://spec.openapis.org/oas/v3.1.1

import { z } from "zod";
import { MAX_NAMED } from "../../shared/unknown-characters.ts";
import { BATCH_SCHEMAS, batchPaths } from "../batch/describe.ts";
import { generateSchema } from "./generate.ts";
import { getRewardSchema } from "./get-reward.ts";
import { chatSchema } from "./openai/chat.ts";
import { completionsSchema } from "./openai/completions.ts";
import { pairScoreSchema } from "./pair-score.ts";
import { rerankSchema } from "./rerank.ts";
import { scoreSchema } from "./score.ts";

const FAILURES = {
  400: "The body is not JSON.",
  401: "The API key is missing or wrong.",
  403: "A server of its machine alone, called by another name or from a page of elsewhere.",
  408: "The body did not arrive in time.",
  413: "The body is too large.",
  422: "A field is wrong; the error names it.",
  429: "Too many requests or tokens; Retry-After tells when.",
  500: "A fault inside; only the request id is told.",
  503: "The models are not ready, or too many requests wait.",
};

const errorBody = { content: { "application/json": { schema: { $ref: "#/components/schemas/Error" } } } };
const failures = Object.fromEntries(
  Object.entries(FAILURES).map(([status, description]) => [status, { description, ...errorBody }]),
);

const answered = {
  description: "OK",
  content: { "application/json": { schema: { $ref: "#/components/schemas/Told" } } },
};

/** What an answer tells beside its own fields. */
const told = {
  description:
    "What answers tell beside their own fields, where they are objects; the last event of a stream has it, too.",
  properties: {
    usage: {
      type: "object",
      properties: {
        unknown_tokens: {
          type: "integer",
          description:
            "Tokens of the texts that the vocabulary lacks; in shapes of other APIs only where there are any.",
        },
      },
    },
    warnings: {
      type: "array",
      description: "Absent where there is nothing to warn of.",
      items: {
        type: "object",
        required: ["code", "message", "characters"],
        properties: {
          code: { const: "unknown_characters" },
          message: { type: "string" },
          characters: { type: "array", maxItems: MAX_NAMED, uniqueItems: true, items: { type: "string" } },
        },
      },
    },
  },
};

function get(summary: string, ...names: string[]) {
  const parameters = names.map((name) => ({ name, in: "path", required: true, schema: { type: "string" } }));
  return { get: { summary, parameters, responses: { 200: { description: "OK" }, ...failures } } };
}

function post(summary: string, schema: z.ZodType) {
  const requestBody = {
    required: true,
    content: { "application/json": { schema: z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }) } },
  };
  return { post: { summary, requestBody, responses: { 200: answered, ...failures } } };
}

/** The document; the same at every call. `batches`: whether there are any, and so the paths of the Files and Batch API. */
export function openapiDocument({ batches }: { batches: boolean }) {
  return {
    openapi: "3.1.1",
    info: { title: "Stepwise DPO", version: "0.1.0", description: "Generation and step scores by T5 at the edge." },
    security: [{}, { apiKey: [] }],
    paths: {
      "/generate": post("Complete a prompt with the policy.", generateSchema),
      "/generate_stream": post("The same as server-sent events, as TGI's.", generateSchema),
      "/": {
        ...post("The same with a list as answer, as TGI's.", generateSchema),
        ...get("The playground, a page; needs no key."),
      },
      "/score": post("Score the steps of completions; also takes the body of /v1/score.", scoreSchema),
      "/v1/score": post("vLLM's score: problems against solutions.", pairScoreSchema),
      "/rerank": post("Solutions of a problem, the best first, as TEI's, vLLM's, Jina's and Cohere's.", rerankSchema),
      "/v1/rerank": post("The same.", rerankSchema),
      "/v2/rerank": post("The same.", rerankSchema),
      "/health": get("Whether the models can be used; needs no key."),
      "/info": get("The models, their files and the worker's settings."),
      "/v1/models": get("OpenAI's list of models."),
      "/v1/models/{name}": get("One of them.", "name"),
      "/v1/completions": post("OpenAI's completions.", completionsSchema),
      "/v1/chat/completions": post("OpenAI's chat completions.", chatSchema),
      "/get_reward": post("OpenRLHF's remote reward model.", getRewardSchema),
      "/metrics": get("Counters of this isolate, for Prometheus."),
      "/openapi.json": get("This document."),
      "/docs": get("This document as a page; needs no key."),
      "/docs/{file}": get("A file of that page; needs no key.", "file"),
      "/playground/{file}": get("A file of the playground; needs no key.", "file"),
      "/models/index.json": get("Which models a browser may run itself, where they are given out (MODEL_DOWNLOADS)."),
      "/models/{folder}/{path}": get("A file of theirs; the path may hold slashes.", "folder", "path"),
      ...(batches && batchPaths()),
    },
    components: {
      schemas: {
        Told: told,
        Error: {
          type: "object",
          required: ["error", "error_type"],
          properties: { error: { type: "string" }, error_type: { type: "string" }, request_id: { type: "string" } },
        },
        ...(batches && BATCH_SCHEMAS),
      },
      securitySchemes: { apiKey: { type: "http", scheme: "bearer" } },
    },
  };
}
