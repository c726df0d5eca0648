// POST /score takes this worker's own body and vLLM's, told apart by the names of its two sides.

import { z } from "zod";
import type { AppDeps } from "../http/app-env.ts";
import type { Call } from "../http/call.ts";
import { isPairBody, type PairScoreBody, pairScoreResult, pairScoreSchema } from "./pair-score.ts";
import { type ScoreBody, scoreResult, scoreSchema } from "./score.ts";

type Forms = z.ZodType<ScoreBody | PairScoreBody, z.input<typeof scoreSchema> | z.input<typeof pairScoreSchema>>;

/** Names the wrong field of the form that was meant. */
export const scoreOrPairSchema: Forms = z.any().transform((body, ctx) => {
  const parsed = isPairBody(body) ? pairScoreSchema.safeParse(body) : scoreSchema.safeParse(body);
  if (parsed.success) return parsed.data;
  for (const issue of parsed.error.issues) ctx.addIssue({ ...issue });
  return z.NEVER;
});

/** Scores whichever form was sent. */
export async function scoreOrPairResult(deps: AppDeps, body: ScoreBody | PairScoreBody, call: Call) {
  return isPairBody(body) ? pairScoreResult(deps, body, call) : scoreResult(deps, body, call);
}
