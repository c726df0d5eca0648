// Several endpoints share the records of one run.

import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createClient } from "../../src/infer/client.ts";
import { createFleet } from "../../src/infer/fleet.ts";
import { runBatch } from "../../src/infer/run-batch.ts";
import { startWorkerServer, type WorkerServer } from "./worker-server.ts";

const RECORDS = 40;

let folder: string;
let servers: WorkerServer[];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "stepwise-fleet-"));
  servers = await Promise.all([startWorkerServer(), startWorkerServer(), startWorkerServer()]);
  const pairs = Array.from({ length: RECORDS }, (_, index) => ({ prompt: `p${index}`, chosen: "ab", rejected: "a" }));
  await writeFile(join(folder, "pairs.jsonl"), pairs.map((pair) => `${JSON.stringify(pair)}\n`).join(""));
});
afterEach(async () => {
  await Promise.all(servers.map((server) => server.close()));
  await rm(folder, { recursive: true, force: true });
});

function run(urls: readonly string[], outputDir: string) {
  const clients = urls.map((url) => createClient({ url, retries: 1, minPauseMs: 1 }));
  const input = join(folder, "pairs.jsonl");
  return runBatch({ client: createFleet(clients), input, outputDir, concurrency: 6, maxNewTokens: 8 });
}

test("every endpoint works, and the results are those of one", async () => {
  for (const server of servers) server.delayMs = 5;
  const one = await run([servers[0]?.url ?? ""], join(folder, "one"));
  for (const server of servers) server.calls.length = 0;
  const all = await run(
    servers.map(({ url }) => url),
    join(folder, "all"),
  );
  expect(all).toEqual(one);
  expect(servers.reduce((sum, { calls }) => sum + calls.length, 0)).toBe(2 * RECORDS);
  for (const { calls } of servers) expect(calls.length).toBeGreaterThan(2 * RECORDS * 0.2);
  const file = (name: string) => readFile(join(folder, name, "inference_results.jsonl"), "utf8");
  expect(await file("all")).toBe(await file("one"));
});

test("an endpoint that goes away costs no record", async () => {
  const [first] = servers;
  for (const server of servers) server.delayMs = 5;
  if (first !== undefined) {
    first.fault = (_call, request) => {
      if (first.calls.length < 5) return false;
      request.socket.destroy();
      return true;
    };
  }
  const summary = await run(
    servers.map(({ url }) => url),
    join(folder, "out"),
  );
  expect(summary).toMatchObject({ total: RECORDS, succeeded: RECORDS, failures: [] });
});

test("endpoints that serve different models are refused", async () => {
  const [, second] = servers;
  if (second !== undefined) second.models = { told: true, policy: "other", reward: "r" };
  const urls = servers.map(({ url }) => url);
  await expect(run(urls, join(folder, "out"))).rejects.toThrow(/serve the same models/);
});
