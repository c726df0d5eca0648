// The Files and Batch API without bindings, without a key, and by the wrong method: OpenAI's error shape, as OpenAI's own client reads it.

import OpenAI from "openai";
import { expect, test } from "vitest";
import { appOn, fakeEngine } from "../fake-engine.ts";

const BASE = "http://worker.test";

/** The app, and OpenAI's client on it. */
function stage(env: Record<string, string> = {}, apiKey = "none") {
  const { app } = appOn(fakeEngine(), env);
  let asked = 0;
  const request = async (input: string | URL | Request, init?: RequestInit) => {
    asked += 1;
    return app.request(input instanceof URL ? input.href : input, init);
  };
  return { request, asked: () => asked, openai: new OpenAI({ baseURL: `${BASE}/v1`, apiKey, fetch: request }) };
}

async function refusal(call: Promise<unknown>) {
  const error = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof OpenAI.APIError)) throw new Error("the call was not refused by the API");
  const { status, type, param, code } = error;
  return { status, type, param, code };
}

test("without bindings every call says that batches are off, and is not made again", async () => {
  const { openai, request, asked } = stage();
  const off = { status: 501, type: "server_error", param: null, code: "batches_off" };
  expect(await refusal(openai.files.list())).toEqual(off);
  expect(await refusal(openai.files.retrieve("file-1"))).toEqual(off);
  expect(await refusal(openai.files.content("file-1"))).toEqual(off);
  expect(await refusal(openai.files.delete("file-1"))).toEqual(off);
  const ask = { input_file_id: "file-1", endpoint: "/v1/completions", completion_window: "24h" } as const;
  expect(await refusal(openai.batches.create(ask))).toEqual(off);
  expect(await refusal(openai.batches.list())).toEqual(off);
  expect(await refusal(openai.batches.cancel("batch_1"))).toEqual(off);
  // once each
  expect(asked()).toBe(7);
  for (const path of ["/v1/files", "/v1/batches/batch_1/pause", "/v1/batches/batch_1/resume"]) {
    const response = await request(`${BASE}${path}`, { method: "POST", body: "" });
    expect(response.status).toBe(501);
    expect(response.headers.get("x-should-retry")).toBe("false");
  }
});

test("a call without a valid key is refused as OpenAI refuses it, on these paths alone", async () => {
  const { openai, request } = stage({ STEPWISE_API_KEY: "correct-horse" }, "battery-staple");
  const refused = { status: 401, type: "invalid_request_error", param: null, code: "invalid_api_key" };
  expect(await refusal(openai.files.list())).toEqual(refused);
  expect(await refusal(openai.batches.retrieve("batch_1"))).toEqual(refused);
  const here = await request(`${BASE}/v1/batches`);
  expect(here.headers.get("www-authenticate")).toBe("Bearer");
  const elsewhere = await request(`${BASE}/generate`, { method: "POST" });
  expect([elsewhere.status, Object.keys((await elsewhere.json()) as object)]).toEqual([401, ["error", "error_type"]]);
});

test("a path or a method that is not there is told in the same shape", async () => {
  const { request } = stage();
  const told = async (path: string, method: string) => {
    const response = await request(`${BASE}${path}`, { method });
    return [response.status, await response.json()];
  };
  expect(await told("/v1/files/file-1/contents", "GET")).toEqual([
    404,
    { error: { message: expect.any(String), type: "invalid_request_error", param: null, code: "not_found" } },
  ]);
  expect(await told("/v1/batches", "DELETE")).toEqual([
    405,
    { error: { message: expect.any(String), type: "invalid_request_error", param: null, code: "method_not_allowed" } },
  ]);
});
