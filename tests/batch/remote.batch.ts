// npm run infer -- --remote writes what a local run writes, whatever happens to the connection.

import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { infer } from "../../src/infer/infer.ts";
import { inferRemote, REMOTE_FILE } from "../../src/infer/remote/infer-remote.ts";
import { CSV_FILE, ERRORS_FILE, JSONL_FILE } from "../../src/infer/write-results.ts";
import { type BatchWorker, startBatchWorker } from "./local-batch.ts";

let worker: BatchWorker;
let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "stepwise-remote-"));
  worker = await startBatchWorker();
});
afterAll(async () => {
  await worker?.stop();
  await rm(folder, { recursive: true, force: true });
});

const startWorker = () => Promise.reject(new Error("no worker is to be started"));

test("a remote run writes the bytes of a local run, through a kill", async () => {
  const pairs = (await readFile("data/dpo/eval.jsonl", "utf8")).split("\n").slice(0, 24);
  // a line that is no pair, one that the worker refuses, a text that a spreadsheet would run
  pairs[3] = "{nonsense";
  pairs[5] = JSON.stringify({ prompt: "word ".repeat(3_000), chosen: "a", rejected: "b" });
  pairs[9] = JSON.stringify({ prompt: '=1+1, "quoted"', chosen: "1 + 1 = 2\nA: 2", rejected: "1 + 1 = 3\nA: 3" });
  const input = join(folder, "pairs.jsonl");
  await writeFile(input, `${pairs.join("\n")}\n`);
  const settings = { input, maxNewTokens: 24, concurrency: 4 };
  const local = join(folder, "local");
  const remote = join(folder, "remote");
  await infer({ ...settings, outputDir: local, endpoint: [worker.url] }, { startWorker });

  const asked = { ...settings, outputDir: remote, endpoint: worker.url, pollMs: 200 };
  const submitted = await inferRemote({ ...asked, wait: false });
  expect(submitted).toMatchObject({ isDone: false, progress: { total: 24 } });
  const remembered = await readFile(join(remote, REMOTE_FILE), "utf8");
  let isKilled: Promise<void> | undefined;
  const summary = await inferRemote({
    ...asked,
    wait: true,
    onProgress: ({ done }) => {
      if (done > 4) isKilled ??= worker.killAndStart();
    },
  });
  expect(isKilled).toBeDefined();
  await isKilled;
  expect(summary).toMatchObject({ isDone: true, total: 24, succeeded: 22 });
  expect(JSON.parse(remembered)).toHaveProperty("batch");
  await expect(readFile(join(remote, REMOTE_FILE))).rejects.toThrow("ENOENT");
  for (const name of [JSONL_FILE, CSV_FILE, ERRORS_FILE]) {
    expect(await readFile(join(remote, name), "utf8")).toBe(await readFile(join(local, name), "utf8"));
  }
  expect((await worker.openai.batches.list()).data).toHaveLength(1);
  // nothing is left there, and nothing beside the results
  expect((await worker.openai.files.list()).data).toEqual([]);
  expect((await readdir(remote)).sort()).toEqual([ERRORS_FILE, CSV_FILE, JSONL_FILE]);
});

/** Hands calls on to the worker, and cuts off the first answer to the making of a batch. */
async function lossyProxy(target: string) {
  let hasCut = false;
  const server = createServer((call, answer) => {
    const { method = "GET", url = "/", headers } = call;
    const onward = request(`${target}${url}`, { method, headers }, (response) => {
      if (method === "POST" && url === "/v1/batches" && !hasCut) {
        hasCut = true;
        response.resume();
        response.on("end", () => answer.socket?.destroy());
        return;
      }
      answer.writeHead(response.statusCode ?? 502, response.headers);
      response.pipe(answer);
    });
    call.pipe(onward);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo; // a TCP server's address is always one
  return { url: `http://127.0.0.1:${port}`, hasCut: () => hasCut, close: () => server.close() };
}

test("when the answer to the making of a batch is lost, no second one is made", async () => {
  const proxy = await lossyProxy(worker.url);
  try {
    const input = join(folder, "two.jsonl");
    await writeFile(input, (await readFile("data/dpo/eval.jsonl", "utf8")).split("\n").slice(0, 2).join("\n"));
    const settings = { input, maxNewTokens: 8, concurrency: 1, outputDir: join(folder, "lossy"), pollMs: 200 };
    const before = (await worker.openai.batches.list()).data.length;
    const summary = await inferRemote({ ...settings, endpoint: proxy.url, wait: true });
    expect(proxy.hasCut()).toBe(true);
    expect(summary).toMatchObject({ isDone: true, succeeded: 2 });
    expect((await worker.openai.batches.list()).data).toHaveLength(before + 1);
  } finally {
    proxy.close();
  }
});

test("an endpoint that is no URL is refused at once", async () => {
  const settings = { input: "data/dpo/eval.jsonl", maxNewTokens: 8, concurrency: 1, outputDir: join(folder, "none") };
  const refused = inferRemote({ ...settings, endpoint: "localhost:8787", wait: false });
  await expect(refused).rejects.toThrow('"localhost:8787" is not an http or https URL');
});
