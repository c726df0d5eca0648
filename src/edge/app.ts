// The worker's routes. Handlers know nothing of workerd: tests call them through app.request() with any engine. Each is a thin face of a
// function from a checked body to a result; the chain of routes is also the type of the client (client.ts).

import { type Context, Hono } from "hono";
import { cors } from "hono/cors";
import { isBatchPath, respondToBatchErrors } from "./batch/openai-error.ts";
import { batchRoutes } from "./batch/routes.ts";
import { type Accounts, createAccounts } from "./http/accounts.ts";
import { admit, renewModels } from "./http/admit.ts";
import type { AppDeps, AppEnv } from "./http/app-env.ts";
import { requireApiKey } from "./http/auth.ts";
import { callOf } from "./http/call.ts";
import { HttpError, respondToErrors } from "./http/errors.ts";
import { jsonBody } from "./http/json-body.ts";
import { logRequests } from "./http/request-log.ts";
import { createTimedEngine } from "./http/timed-engine.ts";
import { requireTrustedHost } from "./http/trusted-hosts.ts";
import { servePage } from "./routes/docs.ts";
import { generateResult, generateSchema } from "./routes/generate.ts";
import { streamGenerate } from "./routes/generate-stream.ts";
import { getRewardResult, getRewardSchema } from "./routes/get-reward.ts";
import { checkServed, infoResult } from "./routes/info.ts";
import { modelIndex, serveModelFile } from "./routes/models.ts";
import { chatResult, chatSchema } from "./routes/openai/chat.ts";
import { streamChat } from "./routes/openai/chat-stream.ts";
import { completionsResult, completionsSchema } from "./routes/openai/completions.ts";
import { streamCompletions } from "./routes/openai/completions-stream.ts";
import { findModel, listModels } from "./routes/openai/models.ts";
import { openapiDocument } from "./routes/openapi.ts";
import { pairScoreResult, pairScoreSchema } from "./routes/pair-score.ts";
import { servePlayground, servePlaygroundFile } from "./routes/playground.ts";
import { rerankResult, rerankSchema } from "./routes/rerank.ts";
import { scoreOrPairResult, scoreOrPairSchema } from "./routes/score-forms.ts";

/** Builds the app from its parts. */
export function createApp(parts: Omit<AppDeps, "accounts"> & { accounts?: Accounts }) {
  const deps: AppDeps = {
    ...parts,
    engine: createTimedEngine(parts.engine, parts.metrics),
    accounts: parts.accounts ?? createAccounts(parts.settings),
  };
  const model = admit(deps);
  const base = new Hono<AppEnv>();
  base.use(logRequests(deps));
  if (deps.settings.ALLOWED_HOSTS !== "*" && deps.settings.keys.length === 0)
    base.use(requireTrustedHost(deps.settings));
  if (deps.settings.CORS_ORIGIN !== "") base.use(allowOrigins(deps.settings.CORS_ORIGIN));
  base.use(requireApiKey(deps));
  const respond = respondToErrors(deps);
  const respondOnBatchPaths = respondToBatchErrors(deps);
  const respondByPath = (error: unknown, c: Context<AppEnv>) =>
    isBatchPath(c.req.path) ? respondOnBatchPaths(error, c) : respond(error, c);
  base.notFound((c) =>
    respondByPath(new HttpError(404, "not_found", "no such endpoint. GET /openapi.json lists them."), c),
  );
  base.onError(respondByPath);

  const app = base
    .post("/generate", model, jsonBody(generateSchema, deps), async (c) => {
      const body = c.req.valid("json");
      if (body.stream === true) return streamGenerate(deps, body, callOf(c));
      return c.json(await generateResult(deps, body, callOf(c)));
    })
    .post("/generate_stream", model, jsonBody(generateSchema, deps), (c) =>
      streamGenerate(deps, c.req.valid("json"), callOf(c)),
    )
    .post("/", model, jsonBody(generateSchema, deps), async (c) => {
      const body = c.req.valid("json");
      if (body.stream === true) return streamGenerate(deps, body, callOf(c));
      return c.json([await generateResult(deps, body, callOf(c))]);
    })
    .post("/score", model, jsonBody(scoreOrPairSchema, deps), async (c) =>
      c.json(await scoreOrPairResult(deps, c.req.valid("json"), callOf(c))),
    )
    .post("/v1/score", model, jsonBody(pairScoreSchema, deps), async (c) =>
      c.json(await pairScoreResult(deps, c.req.valid("json"), callOf(c))),
    )
    .post("/get_reward", model, jsonBody(getRewardSchema, deps), async (c) =>
      c.json(await getRewardResult(deps, c.req.valid("json"), callOf(c))),
    )
    .post("/v1/completions", model, jsonBody(completionsSchema, deps), async (c) => {
      const body = c.req.valid("json");
      if (body.stream === true) return streamCompletions(deps, body, callOf(c));
      return c.json(await completionsResult(deps, body, callOf(c)));
    })
    .post("/v1/chat/completions", model, jsonBody(chatSchema, deps), async (c) => {
      const body = c.req.valid("json");
      if (body.stream === true) return streamChat(deps, body, callOf(c));
      return c.json(await chatResult(deps, body, callOf(c)));
    })
    .get("/health", async (c) => {
      renewModels(deps.engine, c);
      checkServed(await deps.engine.load());
      return c.json({ status: "ok" });
    })
    .get("/info", async (c) => c.json(await infoResult(deps)))
    .get("/metrics", (c) =>
      c.text(deps.metrics.render(deps.engine), 200, { "content-type": "text/plain; version=0.0.4; charset=utf-8" }),
    )
    .get("/v1/models", async (c) => c.json({ object: "list", data: await listModels(deps) }))
    .get("/v1/models/:name{.+}", async (c) => c.json(await findModel(deps, c.req.param("name"))))
    .get("/openapi.json", (c) => c.json(openapiDocument({ batches: deps.batches !== undefined })))
    .get("/", (c) => servePlayground(deps, c))
    .get("/playground/:file", (c) => servePlaygroundFile(deps, c.req.param("file")))
    .get("/models/index.json", (c) => c.json(modelIndex(deps)))
    .get("/models/:folder/:path{.+}", (c) => serveModelFile(deps, c.req.param("folder"), c.req.param("path")))
    .get("/docs", (c) => servePage(deps, c, "index.html"))
    .get("/docs/:file", (c) => servePage(deps, c, c.req.param("file")));

  for (const path of ["/rerank", "/v1/rerank", "/v2/rerank"] as const) {
    app.post(path, model, jsonBody(rerankSchema, deps), async (c) =>
      c.json(await rerankResult(deps, c.req.valid("json"), callOf(c))),
    );
  }
  app.route("/", batchRoutes(deps));
  refuseOtherMethods(app);
  return app;
}

/** The app's type: what hono/client knows of the routes. */
export type App = ReturnType<typeof createApp>;

/** A path that exists, asked by another method, says which one it takes. */
function refuseOtherMethods(app: Pick<App, "routes" | "all">): void {
  const methods = new Map<string, Set<string>>();
  for (const { path, method } of app.routes) {
    if (method === "ALL") continue;
    methods.set(path, (methods.get(path) ?? new Set()).add(method));
  }
  for (const [path, known] of methods) {
    const allow = [...known].join(", ");
    app.all(path, (c) => {
      throw new HttpError(405, "method_not_allowed", `${c.req.method} is not allowed here, use ${allow}.`, { allow });
    });
  }
}

function allowOrigins(origins: string) {
  const list = origins.split(",").map((origin) => origin.trim());
  return cors({
    origin: list.includes("*") ? "*" : list,
    allowMethods: ["GET", "POST", "DELETE"],
    // absent: whatever a client asks for. openai's sends x-stainless-* and more with each version, and headers carry no rights by
    // themselves: no cookie is read here
    exposeHeaders: ["x-request-id", "retry-after"],
    maxAge: 86_400,
  });
}
