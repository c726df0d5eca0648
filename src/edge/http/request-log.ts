// A request id on every answer, one log line and one count a request. What users write is never logged: no body, no query, no
// unknown path.

import { createMiddleware } from "hono/factory";
import { routePath } from "hono/route";
import type { AppDeps, AppEnv } from "./app-env.ts";

/** First in the chain, so that it sees the final status. */
export function logRequests({ log, metrics }: AppDeps) {
  return createMiddleware<AppEnv>(async (c, next) => {
    const given = c.req.header("x-request-id") ?? "";
    const requestId = /^[\w-]{1,64}$/.test(given) ? given : crypto.randomUUID();
    c.set("requestId", requestId);
    const start = Date.now();
    await next();
    c.res.headers.set("x-request-id", requestId);
    const ms = Date.now() - start;
    const matched = routePath(c, -1);
    const route = matched.startsWith("/") && !matched.includes("*") ? matched : "other";
    metrics.countRequest(route, c.res.status, ms / 1000);
    log(
      JSON.stringify({ level: "info", request_id: requestId, method: c.req.method, route, status: c.res.status, ms }),
    );
  });
}
