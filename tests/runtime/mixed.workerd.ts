// Different requests at once in real workerd, on the models that ship: each is answered as it is alone, and no request's promises reach into
// another's, of which workerd warns, and which it drops when that one has ended.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { prepareEdgeModels } from "../../src/infer/edge-models.ts";
import { type LocalWorker, startOnAssets } from "../../src/infer/local-worker.ts";
import { ensureExported } from "../../src/train/onnx/export/ensure-exported.ts";

const PROMPT = "Mia has 12 apples. Then she gets 7 apples from Tom. How many apples does Mia have now?";
const ROUNDS = 3;
const MIX: readonly { path: string; body: object }[] = [
  { path: "/generate", body: { prompt: PROMPT } },
  { path: "/generate", body: { prompt: PROMPT, parameters: { do_sample: true, seed: 4, best_of: 4 } } },
  { path: "/generate", body: { prompt: PROMPT, parameters: { num_beams: 3 } } },
  { path: "/generate", body: { prompt: PROMPT, parameters: { seed: 3, search: { type: "step_beam", depth: 3 } } } },
  { path: "/generate", body: { prompt: PROMPT, parameters: { seed: 3, search: { type: "dvts", depth: 3 } } } },
  { path: "/score", body: { prompt: PROMPT, chosen: "12 + 7 = 19\nA: 19", rejected: "12 - 7 = 5\nA: 5" } },
];

let worker: LocalWorker;
let folder = "";
const log: string[] = [];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "stepwise-mixed-"));
  const exported = (name: string) => ensureExported(join("data/models", name), { exportsDir: folder });
  const [policyDir, rewardDir] = [await exported("stepwise-t5-nano"), await exported("stepwise-t5-nano-prm")];
  const assetsDir = join(folder, "assets");
  const models = await prepareEdgeModels({ policyDir, rewardDir, assetsDir });
  worker = await startOnAssets({ assetsDir, models, onLog: (line) => log.push(line) });
}, 240_000);
afterAll(async () => {
  await worker?.stop();
  await rm(folder, { recursive: true, force: true });
});

async function ask({ path, body }: (typeof MIX)[number]): Promise<string> {
  const response = await fetch(`${worker.url}${path}`, {
    method: "POST",
    headers: { "content-type": "application/json", connection: "close" },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  expect(response.status, text).toBe(200);
  return text;
}

/** Requests of the cold start, alone and of the rounds were observed, and several texts shared steps. */
function expectFilled(metrics: string): void {
  const value = (line: string): number => Number(new RegExp(`^${line} (\\S+)$`, "m").exec(metrics)?.[1] ?? Number.NaN);
  const requests = (ROUNDS + 2) * MIX.length;
  for (const name of ["queue_wait_seconds", "memory_bytes"]) {
    expect(value(`stepwise_${name}_count`), name).toBeGreaterThanOrEqual(requests);
  }
  for (const name of ["first_token_seconds", "token_seconds"]) {
    expect(value(`stepwise_${name}_count`), name).toBeGreaterThanOrEqual(ROUNDS + 2);
    expect(value(`stepwise_${name}_sum`), name).toBeGreaterThan(0);
  }
  expect(value("stepwise_batch_rows_sum")).toBeGreaterThan(value("stepwise_batch_rows_count"));
  const mean = value("stepwise_memory_bytes_sum") / value("stepwise_memory_bytes_count");
  expect(mean).toBeGreaterThan(8_000_000);
  expect(mean).toBeLessThanOrEqual(value("stepwise_wasm_memory_bytes"));
}

test("requests beside each other are answered as alone, from the first on, which open the models", async () => {
  const cold = await Promise.all(MIX.map(ask));
  const alone: string[] = [];
  for (const request of MIX) alone.push(await ask(request));
  expect(cold).toEqual(alone);
  for (let round = 0; round < ROUNDS; round++) {
    // each round begins, and so ends, in an order of its own
    const together = MIX.map(async (request, at) => {
      await setTimeout(20 * ((at * (round + 1)) % 5));
      return ask(request);
    });
    expect(await Promise.all(together)).toEqual(alone);
  }
  const last = await fetch(`${worker.url}/metrics`, { headers: { "x-request-id": "the-last-one" } });
  expect(last.status).toBe(200);
  expectFilled(await last.text());
  await expect.poll(() => log.some((line) => line.includes("the-last-one")), { timeout: 10_000 }).toBe(true);
  expect(log.filter((line) => line.includes("different request context"))).toEqual([]);
}, 240_000);
