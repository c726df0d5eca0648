// From flags to files: which worker is asked, and that the one it started is stopped.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type InferOptions, infer } from "../../src/infer/infer.ts";
import { json } from "../json-answer.ts";
import { startWorkerServer, type WorkerServer } from "./worker-server.ts";

let worker: WorkerServer;
let folder: string;
let started: { policyDir: string; rewardDir: string }[];
let stops: number;

const startWorker = async (dirs: { policyDir: string; rewardDir: string }) => {
  started.push(dirs);
  return { url: worker.url, stop: async () => void stops++ };
};

const options = (more: Partial<InferOptions> = {}): InferOptions => ({
  input: join(folder, "pairs.jsonl"),
  outputDir: join(folder, "out"),
  concurrency: 2,
  maxNewTokens: 8,
  resume: false,
  ...more,
});

beforeEach(async () => {
  worker = await startWorkerServer();
  folder = mkdtempSync(join(tmpdir(), "infer-"));
  started = [];
  stops = 0;
  writeFileSync(join(folder, "pairs.jsonl"), `${JSON.stringify({ prompt: "p", chosen: "ab", rejected: "a" })}\n`);
});

afterEach(async () => {
  await worker.close();
  rmSync(folder, { recursive: true, force: true });
});

test("the worker is started with policy and reward model, and stopped after the run", async () => {
  const summary = await infer(options({ model: "policy", rewardModel: "reward" }), { startWorker });
  expect(summary.succeeded).toBe(1);
  expect(started).toEqual([{ policyDir: "policy", rewardDir: "reward" }]);
  expect(stops).toBe(1);
  expect(readFileSync(join(folder, "out/inference_results.csv"), "utf8")).toContain("p,p,0.02,0.01,chosen");
});

test("the worker is stopped when the run fails", async () => {
  worker.health = 400; // there, but of no use: every record fails
  worker.fault = (_call, _request, response) => json(response, 401, { error: "no key" });
  const summary = await infer(options({ model: "policy", rewardModel: "reward" }), { startWorker });
  expect(summary.succeeded).toBe(0);
  expect(stops).toBe(1);
});

test("a missing input is said before a worker is started", async () => {
  await expect(infer(options({ model: "policy", input: join(folder, "none.jsonl") }), { startWorker })).rejects.toThrow(
    "the input file does not exist",
  );
  expect(started).toEqual([]);
});

test("an endpoint is asked with its key, no worker is started, and --model beside it is refused", async () => {
  await infer(options({ endpoint: `${worker.url}/`, apiKey: "secret" }), { startWorker });
  expect(started).toEqual([]);
  expect(worker.calls.map(({ path, authorization }) => `${path} ${authorization}`)).toEqual([
    "/generate Bearer secret",
    "/score Bearer secret",
  ]);
  await expect(infer(options({ endpoint: worker.url, model: "x" }), { startWorker })).rejects.toThrow(
    "an endpoint has its own models",
  );
});
