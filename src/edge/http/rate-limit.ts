// The platform's rate limiter, when one is bound: counted by the caller's address, before the key is checked.

import { createMiddleware } from "hono/factory";
import type { AppDeps, AppEnv } from "./app-env.ts";
import { isOpen } from "./auth.ts";
import { HttpError } from "./errors.ts";

/** Answers 429 when the binding says so; /health is never limited. */
export function limitRate({ rateLimiter }: AppDeps) {
  return createMiddleware<AppEnv>(async (c, next) => {
    if (rateLimiter !== undefined && !isOpen(c.req)) {
      const key = c.req.header("cf-connecting-ip") ?? "anonymous";
      const { success } = await rateLimiter.limit({ key });
      if (!success)
        throw new HttpError(429, "rate_limited", "too many requests. Try again in a minute.", { "retry-after": "60" });
    }
    await next();
  });
}
