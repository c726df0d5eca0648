// A line of an input file: a request in OpenAI's envelope, `{custom_id, method, url, body}`, or a pair of the project's own files, as
// `npm run infer` reads them.
// https://platform.openai.com/docs/api-reference/batch/request-input

import { z } from "zod";
import { type Pair, pairSchema } from "../../shared/records.ts";

export const ENDPOINTS = ["/v1/completions", "/v1/chat/completions", "/generate", "/score"] as const;
/** What a file of pairs asks for: the policy's own answer, and the scores of the two given ones. */
export const PAIRS_ENDPOINT = "/infer";
export type BatchUrl = (typeof ENDPOINTS)[number] | typeof PAIRS_ENDPOINT;

const MAX_ID = 512;

const requestSchema = z.object({
  custom_id: z.string().min(1).max(MAX_ID, `has more than ${MAX_ID} characters`),
  method: z.literal("POST", { error: 'must be "POST"' }),
  url: z.enum(ENDPOINTS, { error: `must be one of ${ENDPOINTS.join(", ")}` }),
  body: z
    .record(z.string(), z.unknown(), { error: "must be an object" })
    .refine(({ stream }) => stream !== true, "a batch has no streams: leave `stream` out"),
});

export interface InputLine {
  /** undefined for a pair that names none. */
  customId: string | undefined;
  url: BatchUrl;
  body: Record<string, unknown>;
}

export interface LineFault {
  code: string;
  message: string;
  param: string | null;
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** A line's request, or what is wrong with it; undefined for a blank one. */
export function parseLine(bytes: Uint8Array): { line: InputLine } | { fault: LineFault } | undefined {
  let json: unknown;
  try {
    const text = decoder.decode(bytes);
    if (text.trim() === "") return undefined;
    json = JSON.parse(text);
  } catch {
    return { fault: { code: "invalid_json_line", message: "This line is not valid JSON (UTF-8).", param: null } };
  }
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    return { fault: { code: "invalid_json_line", message: "This line is not a JSON object.", param: null } };
  }
  const isPair = "chosen" in json && !("url" in json);
  if (isPair) {
    const pair = pairSchema.loose().safeParse(json);
    if (!pair.success) return { fault: faultOf(pair.error) };
    const id = pair.data.custom_id;
    return { line: { customId: typeof id === "string" ? id : undefined, url: PAIRS_ENDPOINT, body: pair.data } };
  }
  const request = requestSchema.safeParse(json);
  if (!request.success) return { fault: faultOf(request.error) };
  const { custom_id: customId, url, body } = request.data;
  return { line: { customId, url, body } };
}

/** The pair of a line that was checked. */
export function pairOf(body: Record<string, unknown>): Pair {
  return pairSchema.parse(body);
}

function faultOf({ issues: [issue] }: z.ZodError): LineFault {
  const param = issue?.path.map(String).join(".") ?? "";
  const isMissing = issue?.code === "invalid_type" && issue.message.includes("undefined");
  return {
    code: param === "url" ? "invalid_url" : isMissing ? "missing_required_parameter" : "invalid_request",
    message: isMissing ? "This field is missing." : `This field ${issue?.message ?? "is invalid"}.`,
    param: param === "" ? null : param,
  };
}

/** Tokens that a request may read and write, guessed from its size. */
export function estimateTokens({ body }: InputLine, bytes: number): number {
  const asked = [body.max_tokens, body.max_completion_tokens, body.max_new_tokens].find(
    (value) => typeof value === "number",
  );
  return Math.ceil(bytes / 4) + (typeof asked === "number" ? asked : 64);
}
