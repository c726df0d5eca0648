// A batch against a server that is overloaded, cuts answers off, sends requests elsewhere, or lies.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createClient } from "../../src/infer/client.ts";
import { runBatch } from "../../src/infer/run-batch.ts";
import { json } from "../json-answer.ts";
import { startWorkerServer, type WorkerServer } from "./worker-server.ts";

let worker: WorkerServer;
let folder: string;

beforeEach(async () => {
  worker = await startWorkerServer();
  folder = mkdtempSync(join(tmpdir(), "infer-"));
});
afterEach(async () => {
  await worker.close();
  rmSync(folder, { recursive: true, force: true });
});

function run(count: number, concurrency: number) {
  const input = join(folder, "pairs.jsonl");
  const pair = (n: number) => JSON.stringify({ prompt: `prompt ${n}`, chosen: "xx", rejected: "y" });
  writeFileSync(input, Array.from({ length: count }, (_, n) => `${pair(n)}\n`).join(""));
  const client = createClient({ url: worker.url, apiKey: "secret-key", retries: 2, minPauseMs: 2 });
  return runBatch({ client, input, outputDir: folder, concurrency, maxNewTokens: 16 });
}

test("a worker that is overloaded loses no record, however often it says so", async () => {
  const refused = new Map<string, number>();
  worker.fault = ({ path, prompt }, _request, response) => {
    const key = `${path} ${prompt}`;
    const times = refused.get(key) ?? 0;
    refused.set(key, times + 1);
    // more often than there are tries
    if (times >= 8) return false;
    const status = times % 2 === 0 ? 503 : 429;
    return json(response, status, { error: "busy", error_type: status === 503 ? "overloaded" : "rate_limited" });
  };
  expect(await run(20, 16)).toMatchObject({ succeeded: 20, failures: [] });
});

test("no more requests are open than the worker has places for", async () => {
  worker.models.maxWaiting = 4;
  worker.delayMs = 5;
  expect(await run(30, 64)).toMatchObject({ succeeded: 30 });
  expect(worker.peak()).toBe(5);
});

test("an answer that is cut off although its status is good is asked for again", async () => {
  let cut = 0;
  worker.fault = (_call, _request, response) => {
    cut += 1;
    if (cut === 1) {
      response.writeHead(200, { "content-type": "application/json" }).end('{"generated_te');
      return true;
    }
    if (cut === 2) {
      response.writeHead(200, { "content-length": "500" }).write('{"generated_te');
      setTimeout(() => response.destroy(), 10);
      return true;
    }
    return false;
  };
  expect(await run(1, 1)).toMatchObject({ succeeded: 1 });
});

test("a request is not sent on to another host, nor the key with it", async () => {
  const asked: (string | undefined)[] = [];
  const other = createServer((request, response) => {
    asked.push(request.headers.authorization);
    response.end("{}");
  });
  await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
  const { port } = other.address() as AddressInfo; // a TCP server's address is always one
  worker.fault = (_call, _request, response) => {
    response.writeHead(307, { location: `http://127.0.0.1:${port}/generate` }).end();
    return true;
  };
  const { failures } = await run(1, 1);
  expect(failures[0]?.error).toContain(`HTTP 307: the server sends requests on to http://127.0.0.1:${port}/generate`);
  expect(asked).toEqual([]);
  other.close();
});

test("control characters of an error never reach the terminal, and an endless answer is given up", async () => {
  worker.fault = ({ prompt }, _request, response) => {
    if (prompt === "prompt 0") return json(response, 422, { error: "\u001b[2Jgone\u0007\u202e" });
    response.writeHead(200);
    const block = "x".repeat(2 ** 20);
    for (let i = 0; i < 12; i++) response.write(block);
    response.end();
    return true;
  };
  const { failures } = await run(2, 1);
  expect(failures[0]?.error).toBe("HTTP 422: \\x1b[2Jgone\\x07\\x202e");
  expect(failures[1]?.error).toBe("the answer has more than 8 MiB");
});

test("a preference that contradicts its scores is an error", async () => {
  worker.fault = ({ path }, _request, response) =>
    path === "/score" && json(response, 200, { chosen_score: 0.9, rejected_score: 0.1, preferred: "rejected" });
  expect((await run(1, 1)).failures[0]?.error).toContain('without a usable "preferred"');
});

test("a run in which nothing succeeds leaves the results of an earlier one alone", async () => {
  await run(2, 1);
  const earlier = readFileSync(join(folder, "inference_results.jsonl"), "utf8");
  expect(earlier).toContain("prompt 1");
  worker.fault = (_call, _request, response) => json(response, 422, { error: "no" });
  expect(await run(2, 1)).toMatchObject({ succeeded: 0 });
  expect(readFileSync(join(folder, "inference_results.jsonl"), "utf8")).toBe(earlier);
  expect(readFileSync(join(folder, "inference_errors.jsonl"), "utf8")).toContain("HTTP 422: no");
});
