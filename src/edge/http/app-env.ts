// What the app is made of, and what its middleware leaves for the handlers.

import type { Context } from "hono";
import type { BatchBindings } from "../batch/platform.ts";
import type { Engine } from "../engine/engine.ts";
import type { PageFiles, RateLimitBinding, Settings } from "../env.ts";
import type { FileStreams } from "../model-store.ts";
import type { Accounts } from "./accounts.ts";
import type { Metrics } from "./metrics.ts";

export interface AppDeps {
  engine: Engine;
  settings: Settings;
  metrics: Metrics;
  accounts: Accounts;
  rateLimiter?: RateLimitBinding | undefined;
  /** The caller's address; Cloudflare's header by default. */
  addressOf?: ((c: Context) => string | undefined) | undefined;
  /** Files of the pages, by their path; absent: there are no pages. */
  pages?: PageFiles | undefined;
  /** Where files and batches are kept and run; absent: there are no batches. */
  batches?: BatchBindings | undefined;
  /** The models' files, by folder and path, for browsers that run them; absent: they are not given out. */
  models?: FileStreams | undefined;
  /** Takes one JSON line a request, and one a fault; no user's text in it. */
  log: (line: string) => void;
}

/** Hono's type of this app. */
export interface AppEnv {
  Variables: {
    requestId: string;
    /** The key's name, or the caller's address where there are no keys. */
    client: string;
    /** Gives the caller's place in the line back. */
    leave?: () => void;
  };
}
