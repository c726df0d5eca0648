// What a call has used, counted where the engine tells it: also of requests that failed, and of callers who left.

import type { Used } from "../engine/used.ts";
import type { AppDeps } from "./app-env.ts";
import type { Call } from "./call.ts";

/** Counts for the worker and for the caller's key, and takes from the caller's minute, what requests of the call use. */
export function meter({ metrics, accounts }: Pick<AppDeps, "metrics" | "accounts">, { client }: Pick<Call, "client">) {
  return ({ promptTokens, completionTokens, steps }: Used): void => {
    metrics.add("stepwise_prompt_tokens_total", promptTokens, client);
    metrics.add("stepwise_generated_tokens_total", completionTokens, client);
    metrics.add("stepwise_scored_steps_total", steps, client);
    accounts.charge(client, promptTokens + completionTokens);
  };
}
