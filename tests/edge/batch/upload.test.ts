// Uploads that nobody finishes: a caller that sends nothing more is given up, and only some are taken at a time.

import { expect, test } from "vitest";
import type { FileRecord, Ledger } from "../../../src/edge/batch/ledger-api.ts";
import { takeUpload } from "../../../src/edge/batch/upload.ts";
import { memoryBucket } from "./memory-bucket.ts";

const HEAD =
  '--x\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n--x\r\nContent-Disposition: form-data; name="file"; filename="a.jsonl"\r\n\r\n';
const LINE = JSON.stringify({ custom_id: "1", method: "POST", url: "/generate", body: { prompt: "p" } });
const TAIL = "\r\n--x--\r\n";

function stage() {
  const bucket = memoryBucket();
  const files: FileRecord[] = [];
  const open = new Set<string>();
  const ledger = {
    openUpload: async ({ id }: { id: string }) => void open.add(id),
    closeUpload: async (id: string) => void open.delete(id),
    addFile: async (file: FileRecord) => {
      files.push(file);
      open.delete(file.id);
    },
  };
  const bindings = {
    BATCH_FILES: bucket,
    // the functions that an upload calls
    BATCH_LEDGER: { idFromName: () => ({}), get: () => ledger as unknown as Ledger },
    BATCH_JOBS: { createBatch: async () => [], get: () => Promise.reject(new Error("no workflows here")) },
    BATCH_SHARDS: { createBatch: async () => [], get: () => Promise.reject(new Error("no workflows here")) },
  };
  /** Sends pieces; the body ends only where the last of them is TAIL. */
  const upload = (pieces: readonly string[], idleMs = 10_000) => {
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        for (const piece of pieces) controller.enqueue(new TextEncoder().encode(piece));
        if (pieces.at(-1) === TAIL) controller.close();
      },
    });
    const headers = { "content-type": "multipart/form-data; boundary=x" };
    const init = { method: "POST", headers, body, duplex: "half" } as const;
    return takeUpload(bindings, new Request("http://worker.test/v1/files", init), {
      owner: "everyone",
      maxLineBytes: 1_000,
      idleMs,
    });
  };
  return { bucket, bindings, files, open, upload };
}

test("a file is taken; a caller that sends nothing more is given up, and nothing of it is left", async () => {
  const { bucket, files, open, upload } = stage();
  await upload([HEAD, LINE, TAIL]);
  expect(files).toHaveLength(1);
  const before = bucket.keys();
  await expect(upload([HEAD, LINE], 20)).rejects.toMatchObject({ status: 408, code: "upload_timed_out" });
  expect(files).toHaveLength(1);
  expect(bucket.keys()).toEqual(before);
  expect([...open]).toEqual([]);
});

test("only some uploads are taken at a time; when one ends there is a place again", async () => {
  const { files, upload } = stage();
  const held = Array.from({ length: 4 }, () => upload([HEAD, LINE], 300).catch((error: unknown) => error));
  await expect(upload([HEAD, LINE, TAIL])).rejects.toMatchObject({ status: 429, code: "rate_limit_exceeded" });
  for (const error of await Promise.all(held)) expect(error).toMatchObject({ status: 408 });
  await upload([HEAD, LINE, TAIL]);
  expect(files).toHaveLength(1);
});

test("an object whose file could not be noted is taken away", async () => {
  const { bucket, files, upload } = stage();
  const push = files.push.bind(files);
  files.push = () => {
    throw new Error("the ledger does not answer");
  };
  await expect(upload([HEAD, LINE, TAIL])).rejects.toThrow("the ledger does not answer");
  expect(bucket.keys()).toEqual([]);
  files.push = push;
});

test("a body that is refused is left untouched, or read on, so that its connection can be used again", async () => {
  const { bindings } = stage();
  let pulled = 0;
  const send = async (contentType: string, piece: string) => {
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        if (pulled++ < 4) controller.enqueue(new TextEncoder().encode(piece));
        else controller.close();
      },
    });
    const init = { method: "POST", headers: { "content-type": contentType }, body, duplex: "half" } as const;
    const request = new Request("http://worker.test/v1/files", init);
    const upload = takeUpload(bindings, request, { owner: "everyone", maxLineBytes: 1_000 });
    await expect(upload).rejects.toMatchObject({ status: 400 });
    return request;
  };
  const untouched = await send("text/plain", "x");
  expect([untouched.bodyUsed, untouched.body?.locked]).toEqual([false, false]);
  pulled = 0;
  // more parts than a form may have, in its first piece
  await send(
    "multipart/form-data; boundary=x",
    '--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'.repeat(20),
  );
  expect(pulled).toBe(5);
});
