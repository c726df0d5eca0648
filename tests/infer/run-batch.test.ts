// The batch against a server on this machine: order, concurrency, faults, resume. Expected scores follow the server's rule.

import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createClient } from "../../src/infer/client.ts";
import { type BatchOptions, runBatch } from "../../src/infer/run-batch.ts";
import { unknownLine } from "../../src/infer/unknown-tally.ts";
import { json } from "../json-answer.ts";
import { startWorkerServer, type WorkerServer } from "./worker-server.ts";

const ALL_KNOWN = { records: 0, tokens: 0, characters: [] };

let worker: WorkerServer;
let folder: string;

const pair = (number: number) => ({
  prompt: `prompt ${number}`,
  chosen: "x".repeat(60 + number),
  rejected: "y".repeat(60),
});
const lines = (file: string) =>
  readFileSync(join(folder, file), "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line));

function writeInput(count: number): string {
  const file = join(folder, "pairs.jsonl");
  writeFileSync(file, Array.from({ length: count }, (_, number) => `${JSON.stringify(pair(number))}\n`).join(""));
  return file;
}

function options(input: string, more: Partial<BatchOptions> = {}, timeoutMs = 5_000): BatchOptions {
  const client = createClient({ url: worker.url, retries: 3, minPauseMs: 5, timeoutMs, signal: more.signal });
  return { client, input, outputDir: folder, concurrency: 4, maxNewTokens: 16, ...more };
}

beforeEach(async () => {
  worker = await startWorkerServer();
  folder = mkdtempSync(join(tmpdir(), "infer-"));
});

afterEach(async () => {
  await worker.close();
  rmSync(folder, { recursive: true, force: true });
});

test("rows carry the model's answer, both scores and the preference, in input order, with several requests at a time", async () => {
  let slow = true;
  worker.delayMs = 15;
  worker.fault = ({ path }, _request, response) => {
    if (!slow || path !== "/generate") return false;
    slow = false; // the first record answers last
    setTimeout(() => json(response, 200, { generated_text: "late" }), 150);
    return true;
  };
  const summary = await runBatch(options(writeInput(12)));
  expect(summary).toEqual({
    total: 12,
    succeeded: 12,
    resumed: 0,
    failures: [],
    unknown: ALL_KNOWN,
  });
  const rows = lines("inference_results.jsonl");
  expect(rows.map((row) => row.prompt)).toEqual(Array.from({ length: 12 }, (_, number) => `prompt ${number}`));
  expect(rows[0].model_output).toBe("late");
  expect(rows[3]).toEqual({
    prompt: "prompt 3",
    model_output: "3 tpmorp",
    chosen_score: 0.63,
    rejected_score: 0.6,
    preferred: "chosen",
  });
  expect(worker.peak()).toBe(4);
  expect(existsSync(join(folder, "inference_errors.jsonl"))).toBe(false);
});

test("requests ask for greedy decoding and name the aggregation", async () => {
  await runBatch(options(writeInput(1), { aggregation: "min" }));
  expect(worker.calls.map(({ path, body }) => ({ path, body }))).toEqual([
    { path: "/generate", body: { inputs: "prompt 0", parameters: { max_new_tokens: 16, do_sample: false } } },
    { path: "/score", body: { ...pair(0), aggregation: "min" } },
  ]);
});

test("503 and a connection reset are tried again", async () => {
  const failed = new Set<string>();
  worker.fault = ({ path, prompt }, request, response) => {
    const key = `${path} ${prompt}`;
    if (failed.has(key)) return false;
    failed.add(key);
    if (path === "/score") return json(response, 503, { error: "busy" }, { "retry-after": "0" });
    request.socket.destroy();
    return true;
  };
  const summary = await runBatch(options(writeInput(3)));
  expect(summary.succeeded).toBe(3);
  expect(worker.calls).toHaveLength(12);
});

test("Retry-After is waited for", async () => {
  const times: number[] = [];
  worker.fault = ({ path }, _request, response) => {
    if (path !== "/score") return false;
    times.push(Date.now());
    return times.length === 1 && json(response, 429, { error: "slow down" }, { "retry-after": "1" });
  };
  await runBatch(options(writeInput(1)));
  const [first = 0, second = 0] = times;
  expect(second - first).toBeGreaterThanOrEqual(990);
});

test("a record that fails is reported with its line and reason and does not stop the batch", async () => {
  worker.fault = ({ path, prompt }, request, response) => {
    if (prompt === "prompt 1") return json(response, 500, { error: "broken inside", error_type: "internal" });
    if (prompt === "prompt 2" && path === "/score") return json(response, 422, { error: 'field "chosen" is too long' });
    if (prompt === "prompt 3") request.socket.destroy();
    return prompt === "prompt 3";
  };
  const summary = await runBatch(options(writeInput(6)));
  expect(summary.succeeded).toBe(3);
  expect(lines("inference_errors.jsonl")).toEqual([
    { line: 2, prompt: "prompt 1", error: "HTTP 500: broken inside" },
    { line: 3, prompt: "prompt 2", error: 'HTTP 422: field "chosen" is too long' },
    { line: 4, prompt: "prompt 3", error: expect.stringContaining("no connection") },
  ]);
  expect(lines("inference_results.jsonl").map((row) => row.prompt)).toEqual(["prompt 0", "prompt 4", "prompt 5"]);
  const tries = (prompt: string) => worker.calls.filter((call) => call.prompt === prompt).length;
  expect(tries("prompt 1")).toBe(4); // 500: three more tries
  expect(tries("prompt 2")).toBe(2); // generate, then one score: 4xx is final
});

test("a record without an answer in time, or with an answer of another shape, is reported", async () => {
  worker.fault = ({ prompt }, _request, response) => {
    if (prompt === "prompt 1") return json(response, 200, { text: "other server" });
    return prompt === "prompt 0"; // never answered
  };
  const summary = await runBatch(options(writeInput(3), {}, 300));
  expect(summary.failures.map(({ error }) => error)).toEqual([
    "no answer within 0.3 s",
    'POST /generate answered without a usable "generated_text"',
  ]);
});

test("lines that are not pairs are reported with their number; blank lines are not", async () => {
  const input = writeInput(2);
  appendFileSync(input, `\n{"prompt": "cut\n{"prompt":"p","chosen":"c"}\n${JSON.stringify(pair(9))}\n[1]`);
  const summary = await runBatch(options(input));
  expect(summary.succeeded).toBe(3);
  expect(summary.failures.map(({ line }) => line)).toEqual([4, 5, 7]);
  expect(summary.failures[0]?.error).toContain("not JSON");
  expect(summary.failures[1]?.error).toContain('"rejected"');
});

test("--limit takes the first records only", async () => {
  expect((await runBatch(options(writeInput(9), { limit: 2 }))).total).toBe(2);
  expect(worker.calls).toHaveLength(4);
});

test("a missing, an empty and an unusable input are errors that name file and line", async () => {
  const empty = join(folder, "empty.jsonl");
  writeFileSync(empty, "\n\n");
  const broken = join(folder, "broken.jsonl");
  writeFileSync(broken, "\nnot json\n");
  await expect(runBatch(options(join(folder, "nowhere.jsonl")))).rejects.toThrow(/does not exist \(.*nowhere\.jsonl\)/);
  await expect(runBatch(options(empty))).rejects.toThrow(/holds no record \(.*empty\.jsonl\)/);
  await expect(runBatch(options(broken))).rejects.toThrow(/broken\.jsonl, line 2/);
});

test("an endpoint that does not answer is an error before anything is written", async () => {
  const { url } = worker;
  await worker.close();
  const client = createClient({ url, retries: 1, minPauseMs: 5 });
  await expect(runBatch(options(writeInput(2), { client }))).rejects.toThrow(
    `the endpoint does not answer: no connection: connect ECONNREFUSED`,
  );
  expect(existsSync(join(folder, "inference_results.partial.jsonl"))).toBe(false);
  expect(() => createClient({ url: "localhost" })).toThrow('"localhost" is not an http or https URL');
});

test("an endpoint that goes away in the middle stops the run, and --resume finishes it without repeating a record", async () => {
  const input = writeInput(8);
  worker.fault = ({ prompt }, request) => {
    if (prompt < "prompt 4") return false;
    worker.health = 503;
    request.socket.destroy();
    return true;
  };
  await expect(runBatch(options(input, { concurrency: 1 }))).rejects.toThrow(
    /endpoint is gone; 4 of 8 records are finished.*--resume/,
  );
  worker.fault = () => false;
  worker.health = 200;
  worker.calls.length = 0;
  const summary = await runBatch(options(input, { resume: true }));
  expect(summary).toEqual({ total: 8, succeeded: 8, resumed: 4, failures: [], unknown: ALL_KNOWN });
  expect(worker.calls.every(({ prompt }) => prompt >= "prompt 4")).toBe(true);
  expect(lines("inference_results.jsonl")).toHaveLength(8);
});

test("an interrupted run keeps whole lines, says how to go on, and resumes to the same files as an unbroken run", async () => {
  const input = writeInput(20);
  await runBatch(options(input));
  const straight = readFileSync(join(folder, "inference_results.csv"), "utf8");
  const interrupt = new AbortController();
  worker.delayMs = 5;
  const stopAt = (done: number) => done >= 7 && interrupt.abort();
  await expect(
    runBatch(options(input, { signal: interrupt.signal, onProgress: ({ done }) => stopAt(done) })),
  ).rejects.toThrow(/interrupted; \d+ of 20 records are finished and kept .*--resume/);
  const kept = lines("inference_results.partial.jsonl").length - 1;
  expect(kept).toBeGreaterThanOrEqual(7);
  appendFileSync(join(folder, "inference_results.partial.jsonl"), '{"index":19,"hash":"ab'); // a line cut by a crash
  worker.calls.length = 0;
  const summary = await runBatch(options(input, { resume: true }));
  expect(summary).toEqual({ total: 20, succeeded: 20, resumed: kept, failures: [], unknown: ALL_KNOWN });
  expect(worker.calls).toHaveLength(2 * (20 - kept));
  expect(readFileSync(join(folder, "inference_results.csv"), "utf8")).toBe(straight);
  worker.calls.length = 0;
  expect((await runBatch(options(input, { resume: true }))).resumed).toBe(20);
  expect(worker.calls).toHaveLength(0);
});

test("--resume tries failed records again", async () => {
  const input = writeInput(3);
  worker.fault = ({ prompt }, _request, response) => prompt === "prompt 1" && json(response, 400, { error: "no" });
  expect((await runBatch(options(input))).failures).toHaveLength(1);
  worker.fault = () => false;
  expect(await runBatch(options(input, { resume: true }))).toEqual({
    total: 3,
    succeeded: 3,
    resumed: 2,
    failures: [],
    unknown: ALL_KNOWN,
  });
  expect(existsSync(join(folder, "inference_errors.jsonl"))).toBe(false);
});

test("--resume with another input, model or setting is refused by name", async () => {
  const input = writeInput(2);
  await runBatch(options(input));
  const resume = true;
  worker.models.policy = "other";
  await expect(runBatch(options(input, { resume }))).rejects.toThrow(
    /a different model: "m int8 \w+", now "other int8 \w+"/,
  );
  worker.models.policy = "\u001b[2Jother";
  await expect(runBatch(options(input, { resume }))).rejects.toThrow(/now "\\x1b\[2Jother int8/);
  worker.models = { told: true, policy: "m", reward: "other" };
  await expect(runBatch(options(input, { resume }))).rejects.toThrow("a different reward model");
  worker.models = { told: true, policy: "m", reward: "r" };
  await expect(runBatch(options(input, { resume, maxNewTokens: 8 }))).rejects.toThrow(
    'a different --max-new-tokens: "16", now "8"',
  );
  await expect(runBatch(options(input, { resume, aggregation: "sum" }))).rejects.toThrow("a different --aggregation");
  writeInput(3);
  await expect(runBatch(options(input, { resume }))).rejects.toThrow("a different input file");
});

test("a run without --resume keeps the partial file of a stopped run aside until it has finished itself", async () => {
  const input = writeInput(6);
  const interrupt = new AbortController();
  const onProgress = ({ done }: { done: number }) => done >= 2 && interrupt.abort();
  await expect(runBatch(options(input, { signal: interrupt.signal, onProgress, concurrency: 1 }))).rejects.toThrow(
    "interrupted",
  );
  worker.fault = ({ prompt }, _request, response) => prompt === "prompt 5" && json(response, 400, { error: "no" });
  await runBatch(options(input));
  expect(lines("inference_results.partial.previous.jsonl")).toHaveLength(3);
  worker.fault = () => false;
  await runBatch(options(input, { resume: true }));
  expect(existsSync(join(folder, "inference_results.partial.previous.jsonl"))).toBe(false);
});

test("a server without /info is known by its URL", async () => {
  const input = writeInput(2);
  worker.models.told = false;
  await runBatch(options(input));
  expect((await runBatch(options(input, { resume: true }))).resumed).toBe(2);
  expect(lines("inference_results.partial.jsonl")[0].model).toBe(worker.url);
});

test("an interrupt before the first record and an output folder that cannot be written are errors in our own words", async () => {
  const input = writeInput(2);
  const signal = AbortSignal.abort();
  await expect(runBatch(options(input, { signal }))).rejects.toThrow("interrupted before the first record");
  await expect(runBatch(options(input, { outputDir: input }))).rejects.toThrow(
    /cannot be written: EEXIST.*--output-dir/,
  );
});

test("characters that the vocabulary lacks are counted over the records, those of a stopped run as well", async () => {
  const lacking: Record<string, string[]> = { "prompt 0": ["<"], "prompt 1": ["<", "{"], "prompt 3": ["{", "\u001b"] };
  let broken = true;
  worker.fault = ({ path, prompt, body }, request, response) => {
    if (broken && prompt === "prompt 3") request.socket.destroy();
    if (broken && prompt === "prompt 3") return true;
    const characters = lacking[prompt];
    if (characters === undefined) return false;
    const told = { usage: { unknown_tokens: 2 }, warnings: [{ code: "unknown_characters", message: "", characters }] };
    const answer = path === "/generate" ? { generated_text: "a" } : { chosen_score: 1, rejected_score: 0 };
    return json(response, 200, { ...answer, ...(body.chosen !== undefined && { preferred: "chosen" }), ...told });
  };
  const input = writeInput(4);
  const first = await runBatch(options(input));
  expect(first).toMatchObject({ succeeded: 3, unknown: { records: 2, tokens: 8 } });
  broken = false;
  const { unknown, resumed } = await runBatch(options(input, { resume: true }));
  expect(resumed).toBe(3);
  const characters = [
    ["<", 2],
    ["{", 2],
    ["\u001b", 1],
  ];
  expect(unknown).toEqual({ records: 3, tokens: 12, characters });
  expect(unknownLine(unknown)).toBe(
    '3 records have characters that the vocabulary lacks, 12 unknown tokens; by records, the commonest: "<" (2), "{" (2), "\\u001b" (1)',
  );
  expect(Object.keys(lines("inference_results.jsonl")[0])).toHaveLength(5);
});
