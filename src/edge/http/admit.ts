// Before a request that wants a model is read: is its caller within its limits, and is this its share of the line?

import type { Context } from "hono";
import { createMiddleware } from "hono/factory";
import type { Engine } from "../engine/engine.ts";
import type { AppDeps, AppEnv } from "./app-env.ts";
import { keepAlive } from "./call.ts";

/** Looks for a new version of the models, beside the request. */
export function renewModels(engine: Pick<Engine, "renew">, c: Context<AppEnv>): void {
  const work = engine.renew();
  if (work !== undefined) keepAlive(c, work);
}

/** Answers 429 over a limit. A stream holds its place until it ends. */
export function admit({ accounts, engine, settings, metrics }: AppDeps) {
  return createMiddleware<AppEnv>(async (c, next) => {
    renewModels(engine, c);
    const { waiting, running } = engine.status();
    const leave = accounts.enter(c.get("client"), { waiting, maxWaiting: settings.MAX_WAITING });
    metrics.observe("stepwise_batch_requests", running);
    metrics.observe("stepwise_line_requests", waiting);
    c.set("leave", leave);
    try {
      await next();
    } finally {
      if (c.res.headers.get("content-type")?.startsWith("text/event-stream") !== true) leave();
    }
  });
}
