// What the app is made of, and what its middleware leaves for the handlers.

import type { Engine } from "../engine/engine.ts";
import type { RateLimitBinding, Settings } from "../env.ts";
import type { Metrics } from "./metrics.ts";

export interface AppDeps {
  engine: Engine;
  settings: Settings;
  metrics: Metrics;
  rateLimiter?: RateLimitBinding | undefined;
  /** Takes one JSON line a request, and one a fault; no user's text in it. */
  log: (line: string) => void;
}

/** Hono's type of this app. */
export interface AppEnv {
  Variables: { requestId: string };
}
