// A server of this machine alone answers no other name and no page of elsewhere; any other server answers whoever asks.

import { describe, expect, test } from "vitest";
import { appOn, fakeEngine } from "./fake-engine.ts";

const LOCAL = { ALLOWED_HOSTS: "localhost" };

function statusOn(env: Record<string, string>) {
  const { app } = appOn(fakeEngine(), env);
  return async (headers: Record<string, string>, url = "http://127.0.0.1:8942/info") =>
    (await app.request(url, { headers: { host: "127.0.0.1:8942", ...headers } })).status;
}

describe("on this machine alone", () => {
  const status = statusOn(LOCAL);

  test.each(["127.0.0.1:8942", "localhost:8942", "LOCALHOST", "[::1]:8942", "127.0.0.2", "app.localhost:1"])(
    "called %s it answers",
    async (host) => {
      expect(await status({ host })).toBe(200);
    },
  );

  test.each([
    "evil.example:8942",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "10.0.0.7:8942",
    "0.0.0.0",
    "a b",
    "",
  ])("called %j it does not, whatever it is asked", async (host) => {
    expect(await status({ host })).toBe(403);
    const { app } = appOn(fakeEngine(), LOCAL);
    for (const path of ["/", "/health", "/v1/files", "/nothing"]) {
      expect((await app.request(`http://127.0.0.1${path}`, { headers: { host } })).status).toBe(403);
    }
  });

  test("a name that only the URL has counts, too", async () => {
    expect(await status({}, "http://evil.example/info")).toBe(403);
  });

  test.each(["https://evil.example", "null", "http://evil.example:8942", "http://localhost.evil.example"])(
    "a page of %s starts no work",
    async (origin) => {
      const engine = fakeEngine();
      const { call } = appOn(engine, LOCAL);
      const sent = { origin, "content-type": "text/plain" };
      expect(await call("/generate", { prompt: "p" }, sent)).toMatchObject({
        status: 403,
        json: { error_type: "forbidden" },
      });
      expect(engine.generated).toEqual([]);
    },
  );

  test("its own pages do, and those that CORS_ORIGIN or ALLOWED_HOSTS name", async () => {
    for (const origin of ["http://127.0.0.1:8942", "http://localhost:5173"]) expect(await status({ origin })).toBe(200);
    const origin = "https://a.example";
    expect(await statusOn({ ...LOCAL, CORS_ORIGIN: `https://b.example, ${origin}` })({ origin })).toBe(200);
    expect(await statusOn({ ...LOCAL, CORS_ORIGIN: "*" })({ origin })).toBe(200);
    const tunnel = statusOn({ ALLOWED_HOSTS: "my.tunnel.example, other.example" });
    const host = "my.tunnel.example";
    expect(await tunnel({ host, origin: `https://${host}` })).toBe(200);
    expect(await tunnel({ host, origin })).toBe(403);
    expect(await tunnel({ host: "your.tunnel.example" })).toBe(403);
  });
});

test("a server with a key, or on another address, answers by any name", async () => {
  const key = "correct-horse";
  const headers = { host: "evil.example", origin: "https://evil.example", authorization: `Bearer ${key}` };
  expect(await statusOn({ ...LOCAL, STEPWISE_API_KEY: key })(headers)).toBe(200);
  expect(await statusOn({})(headers)).toBe(200);
});
