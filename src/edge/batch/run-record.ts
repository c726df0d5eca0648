// One request of a batch, by the same functions that answer it over HTTP. A request that is wrong has an answer that says so; only what
// may go better another time is tried again.

import { z } from "zod";
import { CapacityError, InputError } from "../../shared/errors.ts";
import type { AppDeps } from "../http/app-env.ts";
import { newCall } from "../http/call.ts";
import { errorBody, toHttpError } from "../http/errors.ts";
import { generateResult, generateSchema } from "../routes/generate.ts";
import { chatResult, chatSchema } from "../routes/openai/chat.ts";
import { completionsResult, completionsSchema } from "../routes/openai/completions.ts";
import { scoreResult, scoreSchema } from "../routes/score.ts";
import { scoreOrPairResult, scoreOrPairSchema } from "../routes/score-forms.ts";
import { joinWarnings } from "../routes/unknown-warning.ts";
import { sleep } from "../sleep.ts";
import { hashOf } from "./id-filter.ts";
import { type BatchUrl, type InputLine, pairOf } from "./input-line.ts";
import type { BatchParameters } from "./ledger-api.ts";
import { StepOver } from "./yielding-engine.ts";

export interface RecordJob {
  line: InputLine;
  id: string;
  requestId: string;
  /** Whose tokens are counted: the key's name. */
  client: string;
  parameters: BatchParameters;
}

export interface RecordAnswer {
  status: number;
  body: unknown;
  tokens: number;
}

const FAULT_TRIES = 3;
const PAUSE_MS = 200;
const MAX_PAUSE_MS = 3_000;
/** So long a busy engine is asked again, before the step gives up and its workflow tries later. */
const MAX_BUSY_MS = 60_000;

/**
 * Answers one request. Throws what keeps every request from being answered, an engine that stays busy, and StepOver for one whose turn did
 * not come in time.
 */
export async function runRecord(deps: AppDeps, job: RecordJob): Promise<RecordAnswer> {
  const start = Date.now();
  for (let tries = 1; ; tries++) {
    try {
      const body = await answer(deps, job);
      return { status: 200, body, tokens: tokensOf(body) };
    } catch (error) {
      if (error instanceof StepOver) throw error;
      const isFull = isBusy(error);
      // the models were open when the step began: what a request finds missing is a matter of its own
      const mayPass = (toHttpError(error)?.status ?? 500) >= 500 && tries < FAULT_TRIES;
      if (!isFull && mayPass) await sleep(PAUSE_MS);
      else if (!isFull) return failed(error, job, deps);
      else if (Date.now() - start < MAX_BUSY_MS) await sleep(Math.min(MAX_PAUSE_MS, PAUSE_MS * 2 ** tries));
      else throw error;
    }
  }
}

/** Whether there is no place now; not a request that needs more than there ever is. */
function isBusy(error: unknown): boolean {
  return error instanceof CapacityError && error.code === "busy";
}

function failed(error: unknown, { requestId }: RecordJob, { log }: AppDeps): RecordAnswer {
  const { status, body } = errorBody(error, requestId, log);
  return { status, body, tokens: 0 };
}

async function answer(deps: AppDeps, job: RecordJob): Promise<unknown> {
  const call = newCall(job.requestId, job.client);
  const body = seeded(job.line, job.id);
  const routes: Record<BatchUrl, () => Promise<unknown>> = {
    "/v1/completions": () => completionsResult(deps, checked(completionsSchema, body), call),
    "/v1/chat/completions": () => chatResult(deps, checked(chatSchema, body), call),
    "/generate": () => generateResult(deps, checked(generateSchema, body), call),
    "/score": () => scoreOrPairResult(deps, checked(scoreOrPairSchema, body), call),
    "/infer": () => inferPair(deps, job, call),
  };
  return routes[job.line.url]();
}

/** What `npm run infer` asks of a pair, in two requests. */
async function inferPair(deps: AppDeps, { line, parameters }: RecordJob, call: ReturnType<typeof newCall>) {
  const { prompt, chosen, rejected } = pairOf(line.body);
  const generation = { inputs: prompt, parameters: { max_new_tokens: parameters.maxNewTokens ?? undefined } };
  const generated = await generateResult(deps, checked(generateSchema, generation), call);
  const pair = { prompt, chosen, rejected, aggregation: parameters.aggregation ?? undefined };
  const scored = await scoreResult(deps, checked(scoreSchema, pair), call);
  const { chosen_score, rejected_score, preferred } = pairScores.parse(scored);
  return {
    prompt,
    model_output: generated.generated_text,
    chosen_score,
    rejected_score,
    preferred,
    usage: {
      total_tokens: generated.usage.total_tokens + scored.usage.total_tokens,
      unknown_tokens: generated.usage.unknown_tokens + scored.usage.unknown_tokens,
    },
    ...joinWarnings(generated, scored),
  };
}

const pairScores = z.object({
  chosen_score: z.number(),
  rejected_score: z.number(),
  preferred: z.enum(["chosen", "rejected"]),
});

/** The body, with a seed of its own where it names none: a request that runs twice draws the same. */
function seeded({ url, body }: InputLine, id: string): Record<string, unknown> {
  const seed = hashOf(id)[0];
  if (url === "/generate") {
    const parameters = recordSchema.safeParse(body.parameters ?? {});
    if (!parameters.success || typeof parameters.data.seed === "number") return body;
    return { ...body, parameters: { ...parameters.data, seed } };
  }
  if (url === "/score" || url === "/infer" || typeof body.seed === "number") return body;
  return { ...body, seed };
}

const recordSchema = z.record(z.string(), z.unknown());

function checked<S extends z.ZodType>(schema: S, body: unknown): z.output<S> {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const unknown = issue?.code === "unrecognized_keys" ? issue.keys.slice(0, 1) : [];
  const field = [...(issue?.path ?? []), ...unknown].map(String).join(".").slice(0, 80);
  throw new InputError({
    code: "bad_request",
    what: issue?.code === "unrecognized_keys" ? "unknown field" : (issue?.message ?? "invalid"),
    where: field === "" ? "body" : `field "${field}"`,
  });
}

const usageSchema = z.object({ usage: z.object({ total_tokens: z.number() }) });

function tokensOf(body: unknown): number {
  const parsed = usageSchema.safeParse(body);
  return parsed.success ? parsed.data.usage.total_tokens : 0;
}
