// The command as it is typed: exit codes, messages, Ctrl-C. A process of its own for each test.

import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { json } from "../json-answer.ts";
import { startWorkerServer, type WorkerServer } from "./worker-server.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

let worker: WorkerServer;
let folder: string;

function start(...args: string[]): { child: ChildProcess; ended: Promise<{ code: number | null; text: string }> } {
  const child = spawn(process.execPath, ["--import", "tsx", "scripts/infer.ts", "--output-dir", folder, ...args], {
    cwd: ROOT,
    env: { ...process.env, KEY: "secret-key" },
  });
  let text = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (part: string) => (text += part));
  return { child, ended: new Promise((resolve) => child.on("close", (code) => resolve({ code, text }))) };
}

function writeInput(count: number): string {
  const file = join(folder, "pairs.jsonl");
  const line = (number: number) => `${JSON.stringify({ prompt: `prompt ${number}`, chosen: "ab", rejected: "a" })}\n`;
  writeFileSync(file, Array.from({ length: count }, (_, number) => line(number)).join(""));
  return file;
}

beforeEach(async () => {
  worker = await startWorkerServer();
  folder = mkdtempSync(join(tmpdir(), "infer-cli-"));
});

afterEach(async () => {
  await worker.close();
  rmSync(folder, { recursive: true, force: true });
});

test("exit 0 with a warning when some records fail, 1 when all do; the key comes from the environment", async () => {
  const input = writeInput(3);
  worker.fault = ({ prompt }, _request, response) =>
    prompt === "prompt 1" && json(response, 422, { error: "too long" });
  const some = await start("--endpoint", worker.url, "--input", input, "--api-key-env", "KEY").ended;
  expect(some.code).toBe(0);
  expect(some.text).toContain("2 of 3 records done");
  expect(some.text).toContain("warning: 1 record failed");
  expect(some.text).toContain("line 2: HTTP 422: too long");
  expect(worker.calls[0]?.authorization).toBe("Bearer secret-key");
  worker.fault = (_call, _request, response) => json(response, 401, { error: "send the API key" });
  const none = await start("--endpoint", worker.url, "--input", input).ended;
  expect(none.code).toBe(1);
  expect(none.text).toContain("send the API key");
});

test("bad flags and a bad input end with exit 1 and one message", async () => {
  const runs = await Promise.all([
    start("--concurrency", "0").ended,
    start("--colour").ended,
    start("--endpoint", worker.url, "--input", join(folder, "none.jsonl")).ended,
    start("--endpoint", worker.url, "--api-key-env", "NOT_SET_ANYWHERE").ended,
  ]);
  expect(runs.map(({ code }) => code)).toEqual([1, 1, 1, 1]);
  const texts = [
    "whole number from 1 to 64",
    "unknown option '--colour'",
    "error: the input file does not exist",
    "NOT_SET_ANYWHERE",
  ];
  for (const [index, text] of texts.entries()) expect(runs[index]?.text).toContain(text);
  expect(runs.every(({ text }) => !text.includes("    at "))).toBe(true);
});

test("Ctrl-C ends with exit 130, keeps the finished records and says how to go on; --resume does the rest", async () => {
  const input = writeInput(40);
  worker.fault = () => worker.calls.length > 24; // from then on no answer
  const { child, ended } = start("--endpoint", worker.url, "--input", input);
  await expect.poll(() => worker.calls.length, { timeout: 20_000 }).toBeGreaterThan(24);
  child.kill("SIGINT");
  const { code, text } = await ended;
  expect(code).toBe(130);
  expect(text).toMatch(/interrupted; \d+ of 40 records are finished and kept .*--resume/);
  const partial = readFileSync(join(folder, "inference_results.partial.jsonl"), "utf8");
  expect(partial.endsWith("}\n")).toBe(true);
  const finished = partial.trimEnd().split("\n").length - 1;
  expect(finished).toBeGreaterThanOrEqual(8);
  worker.fault = () => false;
  worker.calls.length = 0;
  const rest = await start("--endpoint", worker.url, "--input", input, "--resume").ended;
  expect(rest.code).toBe(0);
  expect(rest.text).toContain(`40 of 40 records done (${finished} by the earlier run)`);
  expect(worker.calls).toHaveLength(2 * (40 - finished));
  expect(readFileSync(join(folder, "inference_results.jsonl"), "utf8").trimEnd().split("\n")).toHaveLength(40);
});
