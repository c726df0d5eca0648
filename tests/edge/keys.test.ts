// With keys set, what answers without one: every route of the app's own table is asked.

import { expect, test } from "vitest";
import type { Engine } from "../../src/edge/engine/engine.ts";
import { appOn, fakeEngine } from "./fake-engine.ts";

/** Nothing of the models is behind these. */
const OPEN = ["GET /", "GET /docs", "GET /docs/:file", "GET /health", "GET /playground/:file"];
const env = { STEPWISE_API_KEY: "correct-horse", STEPWISE_API_KEYS: '{"team-a": "battery-staple"}' };

/** An engine that writes down what it was asked. */
function watchedEngine(): { engine: Engine; asked: string[] } {
  const asked: string[] = [];
  const real = fakeEngine();
  return {
    asked,
    engine: {
      ...real,
      load: () => {
        asked.push("load");
        return real.load();
      },
      generate: (options) => {
        asked.push("generate");
        return real.generate(options);
      },
      score: (options) => {
        asked.push("score");
        return real.score(options);
      },
      forced: (options) => {
        asked.push("forced");
        return real.forced(options);
      },
    },
  };
}

function routesOf(app: ReturnType<typeof appOn>["app"]): string[] {
  return [...new Set(app.routes.filter(({ method }) => method !== "ALL").map((one) => `${one.method} ${one.path}`))];
}

test("no request without a valid key reaches a model, whatever the route", async () => {
  const { engine, asked } = watchedEngine();
  const { app } = appOn(engine, env);
  const routes = routesOf(app);
  expect(routes).toEqual(expect.arrayContaining([...OPEN, "POST /", "POST /generate", "GET /metrics", "GET /info"]));
  const body = JSON.stringify({ prompt: "x", query: ["x\ny"], messages: [{ role: "user", content: "x" }] });
  for (const route of routes.filter((one) => !OPEN.includes(one))) {
    const [method = "", path = ""] = route.split(" ");
    // a parameter of any value
    const url = path.replace(/:\w+(\{[^}]*\})?/g, "x");
    for (const authorization of [
      "",
      "Bearer ",
      "Bearer correct-hors",
      "Bearer correct-horse battery-staple",
      "Basic eA==",
    ]) {
      const init = { method, headers: { authorization }, ...(method === "POST" && { body }) };
      const response = await app.request(url, init);
      expect([route, authorization, response.status]).toEqual([route, authorization, 401]);
      expect(response.headers.get("www-authenticate")).toBe("Bearer");
    }
  }
  expect(asked).toEqual([]);
  for (const key of ["correct-horse", "battery-staple"])
    expect((await app.request("/info", { headers: { authorization: `Bearer ${key}` } })).status).toBe(200);
});

test("what is open tells nothing of the models but whether they can be used", async () => {
  const { engine, asked } = watchedEngine();
  const { app } = appOn(engine, env);
  for (const route of OPEN) {
    const response = await app.request(route.slice(4).replace(/:\w+/g, "x.js"));
    expect(response.status).not.toBe(401);
    expect(await response.text()).not.toContain("policy-model");
  }
  expect(asked).toEqual(["load"]);
  // the same paths, spelt otherwise, are not open
  for (const path of ["/docs/../info", "//info", "/health/", "/docs/x/../../info", "/playground/x/y", "/HEALTH"])
    expect((await app.request(path)).status).toBe(401);
});
