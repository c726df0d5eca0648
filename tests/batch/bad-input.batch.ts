// What is wrong is said in OpenAI's shape, before work starts, and leaves nothing behind.

import { connect } from "node:net";
import OpenAI, { toFile } from "openai";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type BatchWorker, completion, requestsFile, startBatchWorker, submit, untilEnded } from "./local-batch.ts";

const KEYS = { mine: "key-of-mine", theirs: "key-of-theirs" };
const LINE_BYTES = 4_096;

let worker: BatchWorker;
let mine: OpenAI;
beforeAll(async () => {
  worker = await startBatchWorker({ STEPWISE_API_KEYS: JSON.stringify(KEYS), MAX_BODY_BYTES: String(LINE_BYTES) });
  mine = worker.client(KEYS.mine);
});
afterAll(() => worker?.stop());

/** The error that a call ends with. */
async function refusal(call: Promise<unknown>) {
  const error = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof OpenAI.APIError)) throw new Error("the call was not refused by the API");
  const { status, type, param, code, message } = error;
  return { status, type, param, code, message };
}

/** The errors of a batch of these lines. */
async function errorsOf(lines: readonly unknown[]) {
  const file = await mine.files.create({ file: await requestsFile(lines), purpose: "batch" });
  const made = await mine.batches.create({
    input_file_id: file.id,
    endpoint: "/v1/completions",
    completion_window: "24h",
  });
  const { status, errors, request_counts: counts } = await untilEnded(mine, made.id);
  expect({ status, completed: counts?.completed }).toEqual({ status: "failed", completed: 0 });
  return errors?.data?.map(({ code, line, param }) => [code, line, param]);
}

test("lines that are wrong are told with their numbers, and no request is begun", async () => {
  const long = { ...completion(3), body: { prompt: "apples ".repeat(LINE_BYTES / 7) } };
  const { method: _method, ...noMethod } = completion(6);
  const lines = [
    completion(0),
    { ...completion(1), url: "/v1/embeddings" },
    long,
    completion(4),
    { ...completion(5), body: { prompt: "a", stream: true } },
    noMethod,
    [1, 2],
    { ...completion(7), custom_id: "" },
    { prompt: "a", chosen: "b" },
  ];
  expect(await errorsOf(lines)).toEqual([
    ["invalid_url", 2, "url"],
    ["line_too_long", 3, null],
    ["invalid_request", 5, "body"],
    ["invalid_request", 6, "method"],
    ["invalid_json_line", 7, null],
    ["invalid_request", 8, "custom_id"],
    ["missing_required_parameter", 9, "rejected"],
  ]);
});

test("an id that occurs twice is told with both lines", async () => {
  const lines = Array.from({ length: 400 }, (_, index) => completion(index === 399 ? 17 : index));
  expect(await errorsOf(lines)).toEqual([["duplicate_custom_id", 400, "custom_id"]]);
});

test("a batch has one endpoint", async () => {
  const other = { ...completion(1), url: "/v1/chat/completions" };
  expect(await errorsOf([completion(0), completion(2), other])).toEqual([["mismatched_endpoint", 3, "url"]]);
});

test("a file that is no JSONL of requests is refused, and is not kept", async () => {
  const before = { stored: await worker.storedBytes(), files: (await mine.files.list()).data.length };
  const create = (text: string, purpose: "batch" | "assistants" = "batch") =>
    toFile(Buffer.from(text), "a.txt").then((file) => mine.files.create({ file, purpose }));
  const refused = { status: 400, type: "invalid_request_error", code: null };
  expect(await refusal(create("Dear sir,\nhello"))).toMatchObject({ ...refused, param: "file" });
  expect(await refusal(create("\n\n"))).toMatchObject({ ...refused, param: "file" });
  expect(await refusal(create(`${JSON.stringify(completion(0))}\n`, "assistants"))).toMatchObject({
    ...refused,
    param: "purpose",
  });
  const headers = { authorization: `Bearer ${KEYS.mine}`, "content-type": "multipart/form-data; boundary=x" };
  const cut = await fetch(`${worker.url}/v1/files`, {
    method: "POST",
    headers,
    body: '--x\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbat',
  });
  expect(cut.status).toBe(400);
  expect({ stored: await worker.storedBytes(), files: (await mine.files.list()).data.length }).toEqual(before);
});

test("an upload that breaks off leaves nothing behind", async () => {
  const before = await worker.storedBytes();
  const { hostname, port } = new URL(worker.url);
  const line = `${JSON.stringify(completion(0, { prompt: "apples ".repeat(400) }))}\n`;
  const socket = connect(Number(port), hostname);
  socket.write(
    `POST /v1/files HTTP/1.1\r\nhost: ${hostname}\r\nauthorization: Bearer ${KEYS.mine}\r\ncontent-length: 100000000\r\ncontent-type: multipart/form-data; boundary=x\r\n\r\n--x\r\nContent-Disposition: form-data; name="file"; filename="a.jsonl"\r\n\r\n`,
  );
  const block = line.repeat(Math.ceil(2 ** 20 / line.length));
  for (let megabyte = 0; megabyte < 20; megabyte++) {
    await new Promise((resolve) => socket.write(block, resolve));
  }
  await expect.poll(() => worker.storedBytes(), { timeout: 20_000 }).toBeGreaterThan(before + 2 ** 23);
  socket.destroy();
  await expect.poll(() => worker.storedBytes(), { timeout: 20_000 }).toBe(before);
});

test("what cannot be asked is refused by name", async () => {
  const file = await mine.files.create({ file: await requestsFile([completion(0)]), purpose: "batch" });
  const ask = { input_file_id: file.id, endpoint: "/v1/completions", completion_window: "24h" } as const;
  const refused = { status: 400, type: "invalid_request_error" };
  const create = (more: object) => refusal(mine.batches.create({ ...ask, ...more }));
  expect(await create({ endpoint: "/v1/embeddings" })).toMatchObject({ ...refused, param: "endpoint" });
  expect(await create({ completion_window: "soon" })).toMatchObject({ ...refused, param: "completion_window" });
  expect(await create({ colour: "red" })).toMatchObject({ ...refused, param: "colour" });
  expect(await create({ metadata: { a: 1 } })).toMatchObject({ ...refused, param: "metadata.a" });
  expect(await create({ input_file_id: "file-none" })).toMatchObject({ status: 404, code: "not_found" });
  await mine.files.delete(file.id);
  expect(await create({})).toMatchObject({ status: 404, code: "not_found" });
  expect(await refusal(mine.files.delete(file.id))).toMatchObject({ status: 404, code: "not_found" });
  expect(await refusal(mine.files.list({ limit: 1_000 }))).toMatchObject({ ...refused, param: "limit" });
});

test("what another key has is not there, word for word as what nobody has", async () => {
  const { id, input_file_id: input } = await submit(mine, [completion(0)]);
  const batch = await untilEnded(mine, id);
  const theirs = worker.client(KEYS.theirs);
  const calls = (client: OpenAI, name: (id: string) => string) => [
    client.files.retrieve(name(input)),
    client.files.content(name(input)),
    client.files.content(name(batch.output_file_id ?? "")),
    client.files.delete(name(input)),
    client.batches.retrieve(name(id)),
    client.batches.cancel(name(id)),
    client.batches.create({ input_file_id: name(input), endpoint: "/v1/completions", completion_window: "24h" }),
  ];
  const nobodys = (real: string) => real.replace(/[0-9a-f]{32}/, "0".repeat(32));
  const own = await Promise.all(calls(theirs, (real) => real).map(refusal));
  const none = await Promise.all(calls(theirs, nobodys).map(refusal));
  const said = (list: typeof own) =>
    list.map((told) => ({ ...told, message: told.message.replace(/[0-9a-f]{32}/, "ID") }));
  expect(said(own)).toEqual(said(none));
  expect(own.map(({ status }) => status)).toEqual(Array(7).fill(404));
  expect((await theirs.files.list()).data).toEqual([]);
  expect((await theirs.batches.list()).data).toEqual([]);
  expect(
    (
      await worker
        .client("key-of-nobody")
        .files.list()
        .catch((error) => error)
    ).status,
  ).toBe(401);
  expect(await refusal(mine.batches.cancel(id))).toMatchObject({ status: 409, code: "batch_ended" });
});
