// What /openapi.json says of the Files and Batch API, where batches are on: its paths, with the schema that checks a new batch, and the
// error shape of their own. https://platform.openai.com/docs/api-reference/batch

import { z } from "zod";
import { BATCH_STATES } from "../../shared/batch-states.ts";
import { createBatchSchema } from "./create-batch.ts";

const FAILURES = {
  400: "The body or a field is wrong; the error names it.",
  401: "The API key is missing or wrong.",
  403: "A server of its machine alone, called by another name or from a page of elsewhere.",
  404: "There is none of this id, for this key.",
  408: "Nothing more of the upload came for too long.",
  409: "A file that a batch still works on; a batch that has ended.",
  413: "The body, or the file, is too large.",
  429: "Too many requests, or uploads at a time; Retry-After tells when.",
  500: "A fault inside; only the request id is told.",
};

const json = (schema: string) => ({ content: { "application/json": { schema: ref(schema) } } });
const ref = (schema: string) => ({ $ref: `#/components/schemas/${schema}` });
const failures = Object.fromEntries(
  Object.entries(FAILURES).map(([status, description]) => [status, { description, ...json("BatchError") }]),
);

interface Operation {
  summary: string;
  /** Name of the schema of its answer; null: lines of JSON. */
  answer: string | null;
  query?: readonly object[];
  requestBody?: object;
}

function operation({ summary, answer, query = [], requestBody }: Operation, parameters: readonly object[] = []) {
  const lines = { content: { "application/jsonl": { schema: { type: "string" } } } };
  return {
    summary,
    parameters: [...parameters, ...query],
    ...(requestBody !== undefined && { requestBody: { required: true, ...requestBody } }),
    responses: { 200: { description: "OK", ...(answer === null ? lines : json(answer)) }, ...failures },
  };
}

const inQuery = (name: string, schema: object) => ({ name, in: "query", schema });
const page = [
  inQuery("limit", { type: "integer", minimum: 1, maximum: 100, default: 20 }),
  inQuery("after", { type: "string" }),
  inQuery("order", { type: "string", enum: ["asc", "desc"], default: "desc" }),
];
const id = [{ name: "id", in: "path", required: true, schema: { type: "string" } }];

const upload = {
  content: {
    "multipart/form-data": {
      schema: {
        type: "object",
        required: ["purpose", "file"],
        properties: {
          purpose: { const: "batch" },
          file: { type: "string", contentMediaType: "application/jsonl", description: "A request, or a pair, a line." },
          "expires_after[seconds]": { type: "integer", minimum: 3_600, maximum: 2_592_000 },
        },
      },
    },
  },
};
const newBatch = () => ({
  content: {
    "application/json": { schema: z.toJSONSchema(createBatchSchema, { io: "input", unrepresentable: "any" }) },
  },
});

/** The paths, as a document has them. */
export function batchPaths() {
  return {
    "/v1/files": {
      get: operation({
        summary: "OpenAI's list of files.",
        answer: "List",
        query: [...page, inQuery("purpose", { type: "string" })],
      }),
      post: operation({ summary: "Take in the input file of a batch.", answer: "File", requestBody: upload }),
    },
    "/v1/files/{id}": {
      get: operation({ summary: "One of them.", answer: "File" }, id),
      delete: operation({ summary: "Delete it; refused while a batch works on it.", answer: "Deleted" }, id),
    },
    "/v1/files/{id}/content": {
      get: operation({ summary: "Its lines; of a result also while its batch runs.", answer: null }, id),
    },
    "/v1/batches": {
      get: operation({ summary: "OpenAI's list of batches.", answer: "List", query: page }),
      post: operation({ summary: "Make a batch of an input file.", answer: "Batch", requestBody: newBatch() }),
    },
    "/v1/batches/{id}": { get: operation({ summary: "One of them, with its speed.", answer: "Batch" }, id) },
    "/v1/batches/{id}/cancel": {
      post: operation({ summary: "End it; what was done is kept.", answer: "Batch" }, id),
    },
    "/v1/batches/{id}/pause": { post: operation({ summary: "Hold it.", answer: "Batch" }, id) },
    "/v1/batches/{id}/resume": { post: operation({ summary: "Let it go on.", answer: "Batch" }, id) },
  };
}

const text = { type: "string" };
const seconds = { type: ["integer", "null"], description: "Seconds since 1970." };

/** The schemas that they name. */
export const BATCH_SCHEMAS = {
  BatchError: {
    type: "object",
    required: ["error"],
    properties: {
      error: {
        type: "object",
        required: ["message", "type", "param", "code"],
        properties: {
          message: text,
          type: text,
          param: { type: ["string", "null"] },
          code: { type: ["string", "null"] },
        },
      },
    },
  },
  List: {
    type: "object",
    required: ["object", "data", "first_id", "last_id", "has_more"],
    properties: {
      object: { const: "list" },
      data: { type: "array", items: { anyOf: [ref("File"), ref("Batch")] } },
      first_id: { type: ["string", "null"] },
      last_id: { type: ["string", "null"] },
      has_more: { type: "boolean" },
    },
  },
  Deleted: {
    type: "object",
    required: ["id", "object", "deleted"],
    properties: { id: text, object: { const: "file" }, deleted: { const: true } },
  },
  File: {
    type: "object",
    required: ["id", "object", "bytes", "created_at", "filename", "purpose", "status"],
    properties: {
      id: text,
      object: { const: "file" },
      bytes: { type: "integer" },
      created_at: { type: "integer" },
      expires_at: { type: "integer" },
      filename: text,
      purpose: { enum: ["batch", "batch_output"] },
      status: { const: "processed" },
    },
  },
  Batch: {
    type: "object",
    required: ["id", "object", "endpoint", "input_file_id", "completion_window", "status", "created_at", "expires_at"],
    properties: {
      id: text,
      object: { const: "batch" },
      endpoint: text,
      errors: { type: ["object", "null"] },
      input_file_id: text,
      completion_window: text,
      status: { enum: [...BATCH_STATES] },
      output_file_id: { type: ["string", "null"] },
      error_file_id: { type: ["string", "null"] },
      created_at: { type: "integer" },
      expires_at: { type: "integer" },
      ...Object.fromEntries(
        ["in_progress", "finalizing", "completed", "failed", "expired", "cancelling", "cancelled"].map((state) => [
          `${state}_at`,
          seconds,
        ]),
      ),
      request_counts: {
        type: "object",
        required: ["total", "completed", "failed"],
        properties: { total: { type: "integer" }, completed: { type: "integer" }, failed: { type: "integer" } },
      },
      metadata: { type: ["object", "null"], additionalProperties: text },
      is_paused: { type: "boolean" },
      parameters: { type: "object" },
      usage: { type: "object", properties: { total_tokens: { type: "integer" } } },
      progress: {
        type: "object",
        properties: { records_per_second: { type: "number" }, seconds_left: { type: ["integer", "null"] } },
      },
    },
  },
};
