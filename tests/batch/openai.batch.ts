// OpenAI's own package, unchanged, runs a batch from upload to download: real workerd, Workflows, R2 and Durable Objects.

import { afterAll, beforeAll, expect, test } from "vitest";
import { type BatchWorker, requestsFile, startBatchWorker, untilEnded } from "./local-batch.ts";

const PROMPTS = [
  "Mia has 12 apples. Then she gets 7 apples from Tom. How many apples does Mia have now?",
  "Tom has 3 apples and buys 4 more apples. How many apples does Tom have now?",
  "Zoe has 45 rings. Next she gets 9 rings from Tom. How many rings does Zoe have now?",
];

let worker: BatchWorker;
beforeAll(async () => {
  worker = await startBatchWorker();
});
afterAll(() => worker?.stop());

test("a batch of completions has the answers that the endpoint gives, in the order of the input", async () => {
  const { openai } = worker;
  const body = (prompt: string) => ({ model: "stepwise-t5-nano", prompt, temperature: 0, max_tokens: 48 });
  const requests = PROMPTS.map((prompt, index) => ({
    custom_id: `request-${index}`,
    method: "POST",
    url: "/v1/completions",
    body: body(prompt),
  }));
  const file = await openai.files.create({ file: await requestsFile(requests), purpose: "batch" });
  expect(file).toMatchObject({ object: "file", purpose: "batch", filename: "requests.jsonl", status: "processed" });
  const made = await openai.batches.create({
    input_file_id: file.id,
    endpoint: "/v1/completions",
    completion_window: "24h",
    metadata: { kind: "test" },
  });
  expect(made).toMatchObject({ object: "batch", status: "validating", metadata: { kind: "test" } });
  const batch = await untilEnded(openai, made.id);
  expect(batch).toMatchObject({ status: "completed", request_counts: { total: 3, completed: 3, failed: 0 } });
  expect(batch.error_file_id).toBeNull();

  const output = await (await openai.files.content(batch.output_file_id ?? "")).text();
  const lines = output
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(lines.map(({ custom_id }) => custom_id)).toEqual(requests.map(({ custom_id }) => custom_id));
  for (const [index, line] of lines.entries()) {
    const { choices, usage } = await openai.completions.create(body(PROMPTS[index] ?? ""));
    expect(line).toMatchObject({ error: null, response: { status_code: 200, body: { choices, usage } } });
  }
  expect((await openai.batches.list()).data.map(({ id }) => id)).toEqual([made.id]);
  const names = (await openai.files.list()).data.map(({ filename }) => filename);
  expect(names).toEqual([`${made.id}_output.jsonl`, "requests.jsonl"]);
  expect(await openai.files.delete(file.id)).toEqual({ id: file.id, object: "file", deleted: true });
});
