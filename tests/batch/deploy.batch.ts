// What a deployment with batches would make, and take down; nothing is uploaded.

import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { deployWorker, destroyWorker } from "../../src/infer/deploy-worker.ts";
import { exportedModels } from "../../src/train/onnx/export/exported-models.ts";

const MODEL = "data/models/stepwise-t5-nano";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "stepwise-deploy-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test("a dry run bundles the worker with its workflows and names every resource with its price", async () => {
  const lines: string[] = [];
  const models = await exportedModels({ policy: MODEL, reward: MODEL }, () => undefined);
  const say = (line: string) => lines.push(line);
  const options = { ...models, dtype: "int8" as const, dryRun: true, assetsDir: join(folder, "assets"), say };
  await deployWorker({ ...options, batch: true });
  const said = lines.join("\n");
  for (const name of [
    /^bucket +stepwise-batches: \$/m,
    /^durable object +BatchLedger: \$/m,
    /^workflow +stepwise-batch-jobs: \$/m,
    /^workflow +stepwise-batch-shards: \$/m,
    /^secret +STEPWISE_API_KEY: nothing/m,
  ]) {
    expect(said).toMatch(name);
  }
  const config = JSON.parse(await readFile("outputs/edge_build/wrangler.json", "utf8"));
  expect(config).toMatchObject({
    name: "stepwise-dpo",
    workflows: [{ binding: "BATCH_JOBS" }, { binding: "BATCH_SHARDS" }],
    migrations: [{ new_sqlite_classes: ["BatchLedger"] }],
  });
});

test("a dry run of taking down tells what would go", async () => {
  const lines: string[] = [];
  await destroyWorker({ dryRun: true, say: (line) => lines.push(line) });
  expect(lines).toEqual([
    "would delete  worker stepwise-dpo with its Durable Objects and secrets",
    "would delete  bucket stepwise-batches",
    "would delete  workflow stepwise-batch-jobs",
    "would delete  workflow stepwise-batch-shards",
  ]);
});
