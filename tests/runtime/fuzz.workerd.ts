// Requests made from /openapi.json, good and bad, against real workerd: never a 500, never a hang, nothing internal told.
// STEPWISE_FUZZ says how many (npm run test:fuzz: 10,000); STEPWISE_FUZZ_SEED repeats a run.

import { mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import OpenAI, { toFile } from "openai";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { isBatchPath } from "../../src/edge/batch/openai-error.ts";
import { type LocalWorker, startLocalWorker } from "../../src/infer/local-worker.ts";
import { type FuzzRequest, fuzzRequests } from "./fuzz-requests.ts";
import { exportTinyModel } from "./tiny-model.ts";

const RUNS = Number(process.env.STEPWISE_FUZZ ?? 400);
const SEED = Number(process.env.STEPWISE_FUZZ_SEED ?? Math.floor(Math.random() * 2 ** 31));
const AT_ONCE = 8;
const MAX_MS = 20_000;
const DECLARED = new Set([200, 204, 400, 401, 404, 405, 408, 409, 413, 422, 429, 503]);
const INTERNAL = /node_modules|\.ts:\d|\.js:\d|\bat [\w.<>]+ \(|\/tmp\/|ort-wasm|TypeError|RangeError|onnxruntime|zod/i;

const logs: string[] = [];
let worker: LocalWorker;
let batchDir = "";
let model: Awaited<ReturnType<typeof exportTinyModel>>;

beforeAll(async () => {
  // texts end soon: what is tried is many requests, not long ones
  model = await exportTinyModel("t5-v1.1", { maxTargetTokens: 64 });
  batchDir = await mkdtemp(join(tmpdir(), "stepwise-fuzz-"));
  worker = await startLocalWorker({
    policyDir: model.dir,
    rewardDir: model.dir,
    env: { CORS_ORIGIN: "*" },
    batchDir,
    onLog: (line) => logs.push(line),
  });
});
afterEach(() => {
  expect(logs.filter((line) => /"status":500|"level":"error"/.test(line)).slice(0, 3)).toEqual([]);
});
afterAll(async () => {
  await worker.stop();
  await model.remove();
  await rm(batchDir, { recursive: true, force: true });
});

/** Ids of two files, and of two batches, one of them to be held. */
async function someIds(): Promise<string[]> {
  const openai = new OpenAI({ baseURL: `${worker.url}/v1`, apiKey: "none" });
  const body = { prompt: "apples", max_tokens: 2 };
  const line = `${JSON.stringify({ custom_id: "1", method: "POST", url: "/v1/completions", body })}\n`;
  const file = async () =>
    (await openai.files.create({ file: await toFile(Buffer.from(line), "a.jsonl"), purpose: "batch" })).id;
  const [used, free] = [await file(), await file()];
  const batch = async (input_file_id: string) =>
    (await openai.batches.create({ input_file_id, endpoint: "/v1/completions", completion_window: "24h" })).id;
  const [first, held] = [await batch(used), await batch(used)];
  await openai.post(`/batches/${held}/pause`).catch(() => undefined); // it may have ended
  return [used, free, first, held];
}

/** What is wrong with an answer; undefined when nothing is. */
async function fault(request: FuzzRequest, isSecondTry = false): Promise<string | undefined> {
  const { method, path, headers, body } = request;
  const init: RequestInit = { method, headers, signal: AbortSignal.timeout(MAX_MS), redirect: "manual" };
  if (body !== undefined) init.body = body;
  let response: Response;
  let text: string;
  try {
    response = await fetch(`${worker.url}${path}`, init);
    text = await response.text();
  } catch (error) {
    if (error instanceof Error && error.name === "TimeoutError") return "no answer";
    // a head that Node's client refuses to send is no request
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    // a connection kept from the request before: what was refused unread is closed, which the client may learn too late
    if (/other side closed|ECONNRESET/.test(String(cause)) && !isSecondTry) return fault(request, true);
    const isOwn = /invalid|not supported|expect/i.test(String(cause));
    return isOwn ? undefined : `the connection broke: ${String(cause)}`;
  }
  const { status } = response;
  // wrangler's own proxy, when it has started the worker anew beneath itself
  if (text.startsWith("Your worker restarted mid-request") && !isSecondTry) return fault(request, true);
  // a head that is too long never reaches the worker
  if (status === 431) return undefined;
  if (!DECLARED.has(status)) return `status ${status}: ${text.slice(0, 300)}`;
  if (status >= 400 && method !== "HEAD") {
    // as the client sends it: with no ".." left
    const isOfBatches = isBatchPath(new URL(`${worker.url}${path}`).pathname);
    const shape = isOfBatches
      ? /^\{"error":\{"message":".*","type":"[a-z_]+"/s
      : /^\{"error":".*","error_type":"[a-z_]+"/s;
    const isError = shape.test(text);
    if (!isError) return `status ${status} without the error's shape: ${text.slice(0, 300)}`;
    if (text.length > 2_000) return `an error of ${text.length} characters`;
    if (INTERNAL.test(text)) return `an error that tells what is inside: ${text.slice(0, 300)}`;
    if ((status === 429 || status === 503) && !(Number(response.headers.get("retry-after")) >= 1))
      return "no Retry-After";
  }
  if (text.includes("event: error") && text.includes('"internal"')) return `a stream with a fault: ${text.slice(-300)}`;
  return response.headers.get("x-request-id") === null ? "no request id" : undefined;
}

test(`${RUNS} requests made from the description (seed ${SEED})`, { timeout: 30 * 60_000 }, async () => {
  const document: unknown = await (await fetch(`${worker.url}/openapi.json`)).json();
  const requests = fc.sample(fuzzRequests(document, await someIds()), { numRuns: RUNS, seed: SEED }).values();
  const statuses = new Map<string, number>();
  const faults: string[] = [];
  const run = async () => {
    for (const request of requests) {
      const what = await fault(request);
      statuses.set(request.path, (statuses.get(request.path) ?? 0) + 1);
      if (what === undefined) continue;
      const body = typeof request.body === "string" ? request.body.slice(0, 300) : `${request.body?.length} bytes`;
      faults.push(
        `${request.method} ${request.path.slice(0, 80)} ${JSON.stringify(request.headers).slice(0, 100)} ${body}\n  ${what}`,
      );
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, run));
  expect(faults.slice(0, 10)).toEqual([]);
  expect(statuses.size).toBeGreaterThan(8);
  expect([...statuses.keys()].filter((path) => path.startsWith("/v1/files")).length).toBeGreaterThan(0);
  expect((await fetch(`${worker.url}/health`)).status).toBe(200);
});

test("heads and bodies that lie about themselves, come slowly or break off leave the worker well", {
  timeout: 120_000,
}, async () => {
  const { hostname, port } = new URL(worker.url);
  const body = '{"prompt": "apples", "parameters": {"max_new_tokens": 2}}';
  const head = (more: string) => `POST /generate HTTP/1.1\r\nhost: x\r\n${more}\r\n`;
  const raw: [string, string[]][] = [
    ["a length that is too long, then gone", [head(`content-length: ${body.length + 50}\r\n`) + body]],
    ["a length that is too short", [head("content-length: 5\r\n") + body]],
    ["two lengths", [head("content-length: 5\r\ncontent-length: 6\r\n") + body]],
    ["length and chunks", [head("content-length: 5\r\ntransfer-encoding: chunked\r\n") + body]],
    ["a chunk of nonsense", [head("transfer-encoding: chunked\r\n"), "zz\r\nabc\r\n"]],
    [
      "chunks of one byte",
      [head("transfer-encoding: chunked\r\n"), ...[...body].map((one) => `1\r\n${one}\r\n`), "0\r\n\r\n"],
    ],
    ["half a head", ["POST /generate HTTP/1.1\r\nhost"]],
    ["no HTTP", ["\u0000\u0001\u0002\r\n\r\n"]],
    ["an endless header", [`GET /health HTTP/1.1\r\nhost: x\r\nx: ${"y".repeat(200_000)}\r\n\r\n`]],
  ];
  for (const [, parts] of raw) {
    const said = await new Promise<string>((resolve) => {
      const socket = connect(Number(port), hostname);
      let text = "";
      const end = () => {
        socket.destroy();
        resolve(text);
      };
      socket.setEncoding("utf8").on("data", (part: string) => {
        text += part;
      });
      socket.on("error", end).on("close", end);
      for (const part of parts) socket.write(part);
      setTimeout(end, 400);
    });
    // what is no HTTP, the runtime's own server answers, with 500 and nothing else; the worker never does
    expect(said.startsWith("HTTP/1.1 500") && said.includes("x-request-id")).toBe(false);
    expect(said).not.toMatch(/node_modules|TypeError/);
  }
  // many halves at once: beyond the limit the others are turned away, and when they have gone everything is well
  const sockets = Array.from({ length: 120 }, () => connect(Number(port), hostname));
  for (const socket of sockets) {
    socket.on("error", () => undefined);
    socket.write(`${head(`content-length: ${body.length}\r\n`)}${body.slice(0, 20)}`);
  }
  await new Promise((resolve) => setTimeout(resolve, 500));
  const health = await fetch(`${worker.url}/health`, { headers: { connection: "close" } });
  expect(health.status).toBe(200);
  for (const socket of sockets) socket.destroy();
  await expect
    .poll(
      async () =>
        (await fetch(`${worker.url}/generate`, { method: "POST", body, headers: { connection: "close" } })).status,
      {
        timeout: 20_000,
        interval: 250,
      },
    )
    .toBe(200);
});
