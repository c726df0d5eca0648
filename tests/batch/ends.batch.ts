// A batch ends, whatever fails: a step that fails twice goes on; one that fails for good gives up its records, or the batch, and says why;
// a workflow that is gone is begun anew. Real Workflows, R2 and Durable Objects, on bindings that fail when told so.

import { fileURLToPath } from "node:url";
import type OpenAI from "openai";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import {
  type BatchWorker,
  completion,
  linesOf,
  requestsFile,
  startBatchWorker,
  submit,
  untilBatch,
  untilEnded,
} from "./local-batch.ts";

const RETRIES = 2;
const MADE = "made by a test";

let worker: BatchWorker;
let openai: OpenAI;
beforeAll(async () => {
  const main = fileURLToPath(new URL("./faulty-worker.ts", import.meta.url));
  worker = await startBatchWorker({ BATCH_RETRIES: String(RETRIES), BATCH_STALE_MS: "1000" }, main);
  ({ openai } = worker);
});
afterAll(() => worker?.stop());
beforeEach(() => setFaults([]));

const call = (path: string, body?: unknown) =>
  fetch(`${worker.url}/test/${path}`, { method: "POST", ...(body !== undefined && { body: JSON.stringify(body) }) });
const setFaults = (faults: { call: string; key: string; times: number }[]) => call("faults", faults);
const failures = async (): Promise<unknown> => (await call("failed")).json();
const requests = (count: number) => Array.from({ length: count }, (_, index) => completion(index));
const idsOf = async (file: string | null | undefined) =>
  (await linesOf(openai, file)).map(({ custom_id: id }) => Number(id.replace("request-", "")));
const firstNumbers = (count: number) => Array.from({ length: count }, (_, index) => index);
const hasBegun = ({ request_counts: counts }: OpenAI.Batch) => (counts?.completed ?? 0) > 0;
const isWhole = (count: number) => ({
  status: "completed",
  errors: null,
  request_counts: { total: count, completed: count, failed: 0 },
});

test("a step that fails twice has every record once at the third try", async () => {
  await setFaults([{ call: "put", key: "chunks/", times: 2 }]);
  const { id } = await submit(openai, requests(20));
  const batch = await untilEnded(openai, id);
  expect(await failures()).toBe(2);
  expect(batch).toMatchObject(isWhole(20));
  expect(await idsOf(batch.output_file_id)).toEqual(firstNumbers(20));
});

test("a shard whose tries are used up gives its records up, each with the reason, and the batch is completed", async () => {
  await setFaults([{ call: "put", key: "chunks/", times: RETRIES + 1 }]);
  const { id } = await submit(openai, requests(5));
  const batch = await untilEnded(openai, id);
  expect(batch).toMatchObject({ status: "completed", request_counts: { total: 5, completed: 0, failed: 5 } });
  const errors = await linesOf(openai, batch.error_file_id);
  expect(errors.map(({ custom_id }) => custom_id)).toEqual(requests(5).map(({ custom_id }) => custom_id));
  for (const { error } of errors) expect(error).toMatchObject({ code: "shard_failed" });
  expect(errors[0]?.error?.message).toContain(MADE);
});

test("a batch of which nothing can be written has failed, and says why", async () => {
  const { id: input } = await openai.files.create({ file: await requestsFile(requests(3)), purpose: "batch" });
  await setFaults([{ call: "put", key: "", times: -1 }]);
  const made = await openai.batches.create({
    input_file_id: input,
    endpoint: "/v1/completions",
    completion_window: "24h",
  });
  const batch = await untilEnded(openai, made.id);
  expect(batch).toMatchObject({ status: "failed", errors: { data: [{ code: "batch_broken_off", line: 0 }] } });
  expect(batch.errors?.data?.[0]?.message).toContain(MADE);
});

test("a batch whose results cannot be put together has failed; what was done can be read", async () => {
  await setFaults([{ call: "put", key: "-output", times: -1 }]);
  const { id } = await submit(openai, requests(4));
  const batch = await untilEnded(openai, id);
  expect(batch).toMatchObject({ status: "failed", request_counts: { completed: 4 } });
  expect(batch.errors?.data?.[0]?.message).toContain(MADE);
  expect(await idsOf(batch.output_file_id)).toEqual(firstNumbers(4));
});

test("a batch whose input can no longer be read has failed", async () => {
  await setFaults([{ call: "get", key: "files/", times: -1 }]);
  const { id } = await submit(openai, requests(4));
  const batch = await untilEnded(openai, id);
  expect(batch.status).toBe("failed");
});

test("a workflow that was not started is started later", async () => {
  const file = await openai.files.create({ file: await requestsFile(requests(4)), purpose: "batch" });
  await setFaults([{ call: "createBatch", key: "batch_", times: 1 }]);
  const ask = { input_file_id: file.id, endpoint: "/v1/completions", completion_window: "24h" } as const;
  await expect(openai.batches.create(ask)).rejects.toThrow("500");
  const [made] = (await openai.batches.list()).data;
  expect(made?.status).toBe("validating");
  expect(await untilEnded(openai, made?.id ?? "")).toMatchObject(isWhole(4));
});

test("workflows that are ended from outside are replaced, and every record is there once", async () => {
  const { id } = await submit(openai, requests(400));
  await untilBatch(openai, id, hasBegun);
  expect((await call(`terminate?kind=shard&id=${id}-0`)).status).toBe(200);
  expect((await call(`terminate?kind=job&id=${id}`)).status).toBe(200);
  const batch = await untilEnded(openai, id);
  expect(batch).toMatchObject(isWhole(400));
  expect(await idsOf(batch.output_file_id)).toEqual(firstNumbers(400));
});

test("a shard whose workflow has died four times has the reason in place of answers, and the batch is completed", async () => {
  await setFaults([{ call: "shard", key: "batch_", times: 4 }]);
  const { id } = await submit(openai, requests(3));
  const batch = await untilEnded(openai, id);
  expect(await failures()).toBe(4);
  expect(batch).toMatchObject({ status: "completed", request_counts: { total: 3, completed: 0, failed: 3 } });
  for (const { error } of await linesOf(openai, batch.error_file_id)) {
    expect(error?.code).toBe("shard_failed");
    expect(error?.message).toContain(MADE);
  }
});

test("a shard whose workflow dies again and again ends the batch with the reason", async () => {
  await setFaults([{ call: "shard", key: "batch_", times: -1 }]);
  const { status, errors } = await untilEnded(openai, (await submit(openai, requests(3))).id);
  // the first life and six that followed
  expect(await failures()).toBe(7);
  expect({ status, code: errors?.data?.[0]?.code }).toEqual({ status: "failed", code: "batch_broken_off" });
  expect(errors?.data?.[0]?.message).toContain(MADE);
});

test("a batch that is not done a day after its window has failed, though nothing works on it", async () => {
  const file = await openai.files.create({ file: await requestsFile(requests(4)), purpose: "batch" });
  // no workflow is ever made for it
  await setFaults([{ call: "createBatch", key: "batch_", times: -1 }]);
  const ask = { input_file_id: file.id, endpoint: "/v1/completions", completion_window: "24h" } as const;
  await expect(openai.batches.create(ask)).rejects.toThrow("500");
  const [made] = (await openai.batches.list()).data;
  expect(made?.status).toBe("validating");
  await call(`overdue?id=${made?.id}`);
  const batch = await untilEnded(openai, made?.id ?? "");
  expect(batch).toMatchObject({ status: "failed", errors: { data: [{ code: "batch_broken_off" }] } });
  expect(batch.errors?.data?.[0]?.message).toContain("not done a day after its window");
});

test("a batch is cancelled while its input is checked, and where its shards are gone", async () => {
  const early = await submit(openai, requests(10));
  await openai.batches.cancel(early.id);
  expect((await untilEnded(openai, early.id)).status).toBe("cancelled");

  const { id } = await submit(openai, requests(2_000));
  await untilBatch(openai, id, hasBegun);
  await call(`terminate?kind=shard&id=${id}-0`);
  await openai.batches.cancel(id);
  const batch = await untilEnded(openai, id);
  expect(batch.status).toBe("cancelled");
  expect(await idsOf(batch.output_file_id)).toEqual(firstNumbers(batch.request_counts?.completed ?? 0));
});

test("a file that has expired is not there, and its object goes", async () => {
  const before = await worker.storedBytes();
  const more = { expires_after: { anchor: "created_at", seconds: 3_600 } } as const;
  const file = { file: await requestsFile(requests(200)), purpose: "batch", ...more } as const;
  const { id, expires_at: at, created_at: created } = await openai.files.create(file);
  expect(at).toBe(created + 3_600);
  const full = await worker.storedBytes();
  expect(full).toBeGreaterThan(before + 30_000);
  expect((await call(`expire?id=${id}`)).status).toBe(200);
  const ask = { input_file_id: id, endpoint: "/v1/completions", completion_window: "24h" } as const;
  await expect(openai.files.retrieve(id)).rejects.toThrow("404");
  await expect(openai.batches.create(ask)).rejects.toThrow("404");
  expect((await openai.files.list({ limit: 100 })).data.map((one) => one.id)).not.toContain(id);
  // a step of an earlier batch may still write some records
  await expect.poll(() => worker.storedBytes(), { timeout: 20_000 }).toBeLessThan(full - 20_000);
});

test("nothing but files is left in the bucket, and a result that was deleted is not there", async () => {
  const files = (await openai.files.list({ limit: 100 })).data;
  for (const { id } of files) await openai.files.delete(id);
  const result = files.find(({ filename }) => filename.endsWith("_output.jsonl"));
  await expect(openai.files.content(result?.id ?? "")).rejects.toThrow("404");
  // the batches that have failed keep what they had done, and a step that was cut off is swept a minute later
  const kept = 50_000;
  await expect.poll(() => worker.storedBytes(), { timeout: 20_000 }).toBeLessThan(kept);
});
