// The worker's routes. Handlers know nothing of workerd: tests call them through app.request() with any engine.

import { type Context, Hono } from "hono";
import { cors } from "hono/cors";
import type { AppDeps, AppEnv } from "./http/app-env.ts";
import { requireApiKey } from "./http/auth.ts";
import { HttpError, respondToErrors } from "./http/errors.ts";
import { limitRate } from "./http/rate-limit.ts";
import { logRequests } from "./http/request-log.ts";
import { handleGenerate } from "./routes/generate.ts";
import { handleGetReward } from "./routes/get-reward.ts";
import { handleHealth, handleInfo, handleMetrics } from "./routes/info.ts";
import { handleCompletions, handleModels } from "./routes/openai.ts";
import { handleOpenapi } from "./routes/openapi.ts";
import { handleScore } from "./routes/score.ts";

type Handler = (c: Context<AppEnv>) => Promise<Response> | Response;

/** Builds the app from its parts. */
export function createApp(deps: AppDeps): Hono<AppEnv> {
  const app = new Hono<AppEnv>();
  app.use(logRequests(deps));
  if (deps.settings.CORS_ORIGIN !== "") app.use(allowOrigins(deps.settings.CORS_ORIGIN));
  app.use(limitRate(deps));
  app.use(requireApiKey(deps));

  const routes: ["GET" | "POST", string, Handler][] = [
    ["POST", "/generate", handleGenerate(deps)],
    ["POST", "/score", handleScore(deps)],
    ["GET", "/health", handleHealth(deps)],
    ["GET", "/info", handleInfo(deps)],
    ["GET", "/v1/models", handleModels(deps)],
    ["POST", "/v1/completions", handleCompletions(deps)],
    ["POST", "/get_reward", handleGetReward(deps)],
    ["GET", "/metrics", handleMetrics(deps)],
    ["GET", "/openapi.json", handleOpenapi()],
  ];
  for (const [method, path, handler] of routes) {
    app.on(method, path, handler);
    app.all(path, (c) => {
      throw new HttpError(405, "method_not_allowed", `${c.req.method} is not allowed here, use ${method}.`, {
        allow: method,
      });
    });
  }
  app.notFound((c) =>
    c.json({ error: "no such endpoint. GET /openapi.json lists them.", error_type: "not_found" }, 404),
  );
  app.onError(respondToErrors(deps));
  return app;
}

function allowOrigins(origins: string) {
  const list = origins.split(",").map((origin) => origin.trim());
  return cors({
    origin: list.includes("*") ? "*" : list,
    allowMethods: ["GET", "POST"],
    allowHeaders: ["authorization", "content-type", "x-request-id"],
    exposeHeaders: ["x-request-id", "retry-after"],
    maxAge: 86_400,
  });
}
