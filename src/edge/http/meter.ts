// What a call has used, counted where it is known.

import type { AppDeps } from "./app-env.ts";
import type { Call } from "./call.ts";

export interface Usage {
  promptTokens?: number;
  completionTokens?: number;
  steps?: number;
}

/** Adds to the counters of the worker and of the caller's key, and to what the caller has used of its minute. */
export function meter(
  { metrics, accounts }: Pick<AppDeps, "metrics" | "accounts">,
  call: Pick<Call, "client">,
  usage: Usage,
) {
  const { promptTokens = 0, completionTokens = 0, steps = 0 } = usage;
  metrics.add("stepwise_prompt_tokens_total", promptTokens, call.client);
  metrics.add("stepwise_generated_tokens_total", completionTokens, call.client);
  metrics.add("stepwise_scored_steps_total", steps, call.client);
  accounts.charge(call.client, promptTokens + completionTokens);
}
