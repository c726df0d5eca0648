// A batch that is stopped, held, cut off by its time or its tokens, and one whose models are absent for a while.

import type OpenAI from "openai";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  type BatchWorker,
  completion,
  linesOf,
  startBatchWorker,
  submit,
  untilBatch,
  untilEnded,
} from "./local-batch.ts";

let worker: BatchWorker;
let openai: OpenAI;
beforeAll(async () => {
  worker = await startBatchWorker();
  ({ openai } = worker);
});
afterAll(() => worker?.stop());

const requests = (count: number) => Array.from({ length: count }, (_, index) => completion(index));
const hasBegun = ({ request_counts: counts }: OpenAI.Batch) => (counts?.completed ?? 0) > 0;
const idsOf = async (file: string | null | undefined) =>
  (await linesOf(openai, file)).map(({ custom_id: id }) => Number(id.replace("request-", "")));
const firstNumbers = (count: number) => Array.from({ length: count }, (_, index) => index);

test("a batch that is cancelled keeps what was done; a partial result can be read before", async () => {
  const { id } = await submit(openai, requests(2_000));
  const running = await untilBatch(openai, id, hasBegun);
  const partial = await idsOf(running.output_file_id);
  expect(partial.length).toBeGreaterThan(0);
  expect(partial).toEqual(firstNumbers(partial.length));
  expect(Reflect.get(running, "progress")).toMatchObject({ records_per_second: expect.any(Number) });
  expect((await openai.batches.cancel(id)).status).toBe("cancelling");
  const batch = await untilEnded(openai, id);
  expect(batch.status).toBe("cancelled");
  const done = await idsOf(batch.output_file_id);
  expect(done).toEqual(firstNumbers(batch.request_counts?.completed ?? 0));
  expect(done.length).toBeLessThan(2_000);
});

test("a batch that is held goes on where it was", async () => {
  const { id } = await submit(openai, requests(2_000));
  await untilBatch(openai, id, hasBegun);
  await openai.post(`/batches/${id}/pause`);
  const counts = async () => (await openai.batches.retrieve(id)).request_counts?.completed ?? 0;
  // the steps that were begun still end
  const seen: number[] = [];
  const isStill = async () => {
    seen.push(await counts());
    return seen.at(-1) === seen.at(-2);
  };
  await expect.poll(isStill, { timeout: 30_000, interval: 2_500 }).toBe(true);
  const held = seen.at(-1) ?? 0;
  expect(held).toBeLessThan(2_000);
  await openai.post(`/batches/${id}/resume`);
  await untilBatch(openai, id, ({ request_counts: now }) => (now?.completed ?? 0) > held);
  await openai.batches.cancel(id);
  const batch = await untilEnded(openai, id);
  expect(await idsOf(batch.output_file_id)).toEqual(firstNumbers(batch.request_counts?.completed ?? 0));
});

test("when the tokens are used up, the other requests are told so, each once", async () => {
  const { id } = await submit(openai, requests(300), { max_total_tokens: 500 });
  const batch = await untilEnded(openai, id);
  expect(batch.status).toBe("completed");
  const done = await idsOf(batch.output_file_id);
  const errors = await linesOf(openai, batch.error_file_id);
  expect(done.length).toBeGreaterThan(0);
  expect([...done, ...errors.map(({ custom_id: name }) => Number(name.replace("request-", "")))]).toEqual(
    firstNumbers(300),
  );
  expect(new Set(errors.map(({ error }) => error?.code))).toEqual(new Set(["token_limit_reached"]));
});

test("when the time is over, the other requests are told so", async () => {
  const { id } = await submit(openai, requests(3_000), { completion_window: "5s" });
  const batch = await untilEnded(openai, id);
  expect(batch.status).toBe("expired");
  expect((batch.request_counts?.completed ?? 0) + (batch.request_counts?.failed ?? 0)).toBe(3_000);
  const [first] = await linesOf(openai, batch.error_file_id);
  expect(first?.error?.code).toBe("batch_expired");
});
