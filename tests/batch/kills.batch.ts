// The worker killed at random moments: every record once, in order, with the answers of an undisturbed run.

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

const RECORDS = 150;
const KILLS = 3;

let worker: BatchWorker;
beforeAll(async () => {
  worker = await startBatchWorker();
});
afterAll(() => worker?.stop());

test("every record is in the output once, in order, whatever was killed", async () => {
  const requests = Array.from({ length: RECORDS }, (_, index) => completion(index, index % 50 === 7 ? { n: 99 } : {}));
  const undisturbed = await untilEnded(worker.openai, (await submit(worker.openai, requests)).id);
  const expected = await linesOf(worker.openai, undisturbed.output_file_id);
  const expectedErrors = await linesOf(worker.openai, undisturbed.error_file_id);

  const { id } = await submit(worker.openai, requests);
  for (let kill = 1; kill <= KILLS; kill++) {
    const done = Math.floor((RECORDS * (kill - Math.random())) / (KILLS + 1));
    await untilBatch(worker.openai, id, ({ request_counts: counts }) => (counts?.completed ?? 0) >= done);
    await worker.killAndStart();
  }
  const batch = await untilEnded(worker.openai, id);
  expect(batch).toMatchObject({ status: "completed", request_counts: { total: 150, completed: 147, failed: 3 } });
  const answers = (lines: typeof expected) =>
    lines.map(({ custom_id, response, error }) => [custom_id, response?.status_code, response?.body.choices, error]);
  const output = await linesOf(worker.openai, batch.output_file_id);
  expect(output.map(({ custom_id }) => custom_id)).toEqual(
    requests.map(({ custom_id }) => custom_id).filter((name) => !/^request-(7|57|107)$/.test(name)),
  );
  expect(answers(output)).toEqual(answers(expected));
  const errors = await linesOf(worker.openai, batch.error_file_id);
  expect(errors.map(({ custom_id }) => custom_id)).toEqual(["request-7", "request-57", "request-107"]);
  expect(answers(errors)).toEqual(answers(expectedErrors));
});
