// Models in an R2 bucket: filled as `npm run deploy` fills it, by wrangler's own command, into the bucket that wrangler keeps on this
// machine; read by the worker in real workerd.

import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { unstable_startWorker as startWorker } from "wrangler";
import { prepareEdgeModels } from "../../src/infer/edge-models.ts";
import { prepareEdgeWasm } from "../../src/infer/edge-wasm.ts";
import { fillBucket } from "../../src/infer/fill-bucket.ts";
import { EDGE_WASM, PROJECT_ROOT } from "../../src/infer/local-worker.ts";
import { exportTinyModel } from "./tiny-model.ts";

const BUCKET = "stepwise-models";
const configPath = join(PROJECT_ROOT, `wrangler.bucket.${process.pid}.test.toml`);
let model: Awaited<ReturnType<typeof exportTinyModel>>;
let newer: Awaited<ReturnType<typeof exportTinyModel>>;
let folder: string;

beforeAll(async () => {
  model = await exportTinyModel();
  newer = await exportTinyModel("t5-v1.0", { lean: true });
  folder = await mkdtemp(join(tmpdir(), "stepwise-bucket-"));
  const binding = `\n[[r2_buckets]]\nbinding = "MODELS"\nbucket_name = "${BUCKET}"\n`;
  await writeFile(configPath, (await readFile(join(PROJECT_ROOT, "wrangler.toml"), "utf8")) + binding);
});
afterAll(async () => {
  await rm(configPath, { force: true });
  await rm(folder, { recursive: true, force: true });
  await model.remove();
  await newer.remove();
});

/** Puts a model into the bucket, and removes what it was put from: nothing is left to read but the bucket. */
async function putModel(modelDir: string, dir: string): Promise<{ lines: string[]; count: number }> {
  const modelsDir = await mkdtemp(join(folder, "models-"));
  const { files } = await prepareEdgeModels({ policyDir: modelDir, rewardDir: modelDir, assetsDir: modelsDir });
  const lines: string[] = [];
  await fillBucket(BUCKET, { at: "folder", dir }, { modelsDir, files }, (line) => lines.push(line));
  await rm(modelsDir, { recursive: true });
  return { lines, count: files.length };
}

test("a model that was put into the bucket is served from it; another takes its place while requests flow", async () => {
  const dir = join(folder, "state");
  // wrangler watches its assets
  const pages = join(folder, "pages");
  await mkdir(pages);
  const { lines, count } = await putModel(model.dir, dir);
  expect(lines).toHaveLength(count + 1);
  expect(lines.at(-1)).toBe("upload        policy/stepwise_manifest.json");
  await prepareEdgeWasm(EDGE_WASM);
  const worker = await startWorker({
    config: configPath,
    assets: pages,
    envFiles: [join(folder, "none.env")],
    bindings: {
      REWARD_MODEL: { type: "plain_text", value: "policy" },
      LIMIT_ADDRESSES: { type: "plain_text", value: "false" },
      MODEL_CHECK_SECONDS: { type: "plain_text", value: "1" },
    },
    sendMetrics: false,
    dev: { server: { hostname: "127.0.0.1", port: 0 }, inspector: false, persist: dir, watch: false, logLevel: "none" },
  });
  try {
    await worker.ready;
    const { origin } = await worker.url;
    const health = await fetch(`${origin}/health`, { headers: { connection: "close" } });
    expect([health.status, await health.text()]).toEqual([200, '{"status":"ok"}']);
    const init = {
      method: "POST",
      headers: { connection: "close" },
      body: JSON.stringify({ prompt: "the", parameters: { max_new_tokens: 2 } }),
    };
    const generate = async () => {
      const response = await fetch(`${origin}/generate`, init);
      return [response.status, await response.text()] as const;
    };
    let answer = await generate();
    // wrangler's answer, not the worker's: it may build the worker twice when it starts
    if (answer[1].includes("Your worker restarted mid-request")) answer = await generate();
    expect(answer).toEqual([200, expect.stringContaining('"model":"tiny-t5-v1.1"')]);
    const answers: (readonly [number, string])[] = [];
    let isOver = false;
    const client = async (): Promise<void> => {
      while (!isOver) answers.push(await generate());
    };
    const clients = Promise.all(Array.from({ length: 4 }, client));
    await putModel(newer.dir, dir);
    await expect
      .poll(() => answers.at(-1)?.[1], { timeout: 60_000 })
      .toContain('"model":"tiny-t5-v1.0"')
      .finally(() => {
        isOver = true;
      });
    await clients;
    const alone = await generate();
    // no request failed, and each was answered by the one or the other
    expect(new Set(answers.map(([status, text]) => `${status} ${text}`))).toEqual(
      new Set([answer, alone].map(([status, text]) => `${status} ${text}`)),
    );
  } finally {
    await worker.dispose();
  }
});
