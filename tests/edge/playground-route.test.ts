// GET / and the files of the page, and what the page needs of POST /generate.

import { describe, expect, test } from "vitest";
import { createApp } from "../../src/edge/app.ts";
import { type Env, parseSettings } from "../../src/edge/env.ts";
import { createMetrics } from "../../src/edge/http/metrics.ts";
import { appOn, fakeEngine } from "./fake-engine.ts";

const FILES: Readonly<Record<string, string>> = {
  "playground/index.html": "<p>the page</p>",
  "playground/index-a1b2c3d4.js": "1",
  "playground/ort-wasm.gz": "wasm",
};

function appWithPages(env: Env = {}) {
  const settings = parseSettings(env);
  const stream = async (path: string) => (FILES[path] === undefined ? undefined : new Blob([FILES[path]]).stream());
  return createApp({
    engine: fakeEngine(),
    settings,
    metrics: createMetrics([]),
    pages: { stream, read: async () => undefined },
    log: () => undefined,
  });
}

const HTML = { accept: "text/html,application/xhtml+xml" };

describe("GET /", () => {
  test("is the page to a browser, with a policy that lets nothing else in, and isolated so that it may have threads", async () => {
    const response = await appWithPages().request("/", { headers: HTML });
    expect(response.status).toBe(200);
    expect(await response.text()).toBe("<p>the page</p>");
    const policy = response.headers.get("content-security-policy");
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toContain("unsafe-inline");
    expect(policy).not.toContain("http");
    expect(response.headers.get("cross-origin-opener-policy")).toBe("same-origin");
    expect(response.headers.get("cross-origin-embedder-policy")).toBe("require-corp");
  });

  test.each(["application/json", "*/*"])(
    "is what it was to a client that accepts %s: 405, use POST",
    async (accept) => {
      const response = await appWithPages().request("/", { headers: { accept } });
      expect(response.status).toBe(405);
      expect(response.headers.get("allow")).toBe("POST");
      expect(await response.json()).toMatchObject({ error_type: "method_not_allowed" });
    },
  );

  test("is a 405 where no page lies beside the worker", async () => {
    expect((await appOn(fakeEngine()).call("/", undefined, HTML)).status).toBe(405);
  });

  test("needs no key, as the page's files; POST / and the API do", async () => {
    const app = appWithPages({ STEPWISE_API_KEY: "open-sesame" });
    expect((await app.request("/", { headers: HTML })).status).toBe(200);
    expect((await app.request("/playground/index-a1b2c3d4.js")).status).toBe(200);
    expect((await app.request("/", { method: "POST", body: '{"inputs":"x"}' })).status).toBe(401);
    expect((await app.request("/info")).status).toBe(401);
  });
});

describe("files of the page", () => {
  test("a name with a hash is kept for ever, others for an hour; threads may load them", async () => {
    const hashed = await appWithPages().request("/playground/index-a1b2c3d4.js");
    expect(hashed.headers.get("cache-control")).toBe("public, max-age=31536000, immutable");
    expect(hashed.headers.get("content-type")).toBe("text/javascript; charset=utf-8");
    expect(hashed.headers.get("cross-origin-embedder-policy")).toBe("require-corp");
    expect((await appWithPages().request("/playground/ort-wasm.gz")).headers.get("cache-control")).toBe("max-age=3600");
  });

  test.each(["nothing.js", "index.exe", "..%2Fpolicy%2Fconfig.json", "..index.js"])("%s is a 404", async (file) => {
    expect((await appWithPages().request(`/playground/${file}`)).status).toBe(404);
  });
});

describe("a prefix", () => {
  test("is what the engine begins with, in an answer and in a stream", async () => {
    const engine = fakeEngine();
    const { call } = appOn(engine);
    expect((await call("/generate", { prompt: "x", parameters: { prefix: "1 + 1 = 2\n" } })).status).toBe(200);
    expect((await call("/generate_stream", { prompt: "x", parameters: { prefix: "so\n" } })).status).toBe(200);
    expect(engine.generated.map(({ prefix }) => prefix)).toEqual(["1 + 1 = 2\n", "so\n"]);
  });

  test("its steps are scored with those that follow", async () => {
    const engine = fakeEngine();
    const parameters = { prefix: "zero\n", score_steps: true };
    const { text } = await appOn(engine).call("/generate_stream", { prompt: "x", parameters });
    expect(text).toContain('{"index":0,"text":"zero","score":0.25}');
  });

  test("is refused with a search, by its name", async () => {
    const parameters = { prefix: "so", search: { type: "dvts" } };
    const { status, json } = await appOn(fakeEngine()).call("/generate", { prompt: "x", parameters });
    expect(status).toBe(422);
    expect(JSON.stringify(json)).toContain("parameters.prefix");
  });
});

describe("a step search as a stream", () => {
  test("tells the tree of each round: new steps, and what was kept", async () => {
    const search = { type: "step_beam", width: 2, expand: 2, depth: 1 };
    const { text } = await appOn(fakeEngine()).call("/generate_stream", {
      prompt: "x",
      parameters: { seed: 1, search },
    });
    const round = text.split("\n\n").find((event) => event.startsWith("event: round\n"));
    // the engine writes one text, over and over: equal continuations are one
    expect(JSON.parse(round?.split("data: ")[1] ?? "")).toMatchObject({
      round: 1,
      nodes: [{ id: 1, parent: 0, text: "one\ntwo", score: 1 / 3, finished: true }],
      kept: [1],
    });
  });
});

describe("the place in the line", () => {
  const engine = fakeEngine();
  const queued = fakeEngine({
    generate: (options) => {
      options.onQueue?.(2);
      options.onQueue?.(1);
      return engine.generate(options);
    },
  });

  test("is told as events named queue to a stream that asks for it", async () => {
    const { text } = await appOn(queued).call("/generate_stream", {
      prompt: "x",
      parameters: { queue_position: true },
    });
    expect(text.startsWith('event: queue\ndata: {"position":2}\n\nevent: queue\ndata: {"position":1}\n\ndata: ')).toBe(
      true,
    );
  });

  test("is not told to clients that do not know such events", async () => {
    expect((await appOn(queued).call("/generate_stream", { prompt: "x" })).text).not.toContain("queue");
  });
});
