import { totalmem } from "node:os";
import { afterAll, beforeAll, expect, test } from "vitest";
import { heldBytes } from "../../src/edge/engine/memory-budget.ts";
import type { Job } from "../../src/edge/engine/scheduler.ts";
import { createServedModels } from "../../src/edge/engine/served-models.ts";
import { workingBytes } from "../../src/edge/engine/work.ts";
import { parseT5Config } from "../../src/shared/t5-config.ts";
import { exportTinyModel } from "../runtime/tiny-model.ts";
import { folderStore, nodeRuntime } from "./node-runtime.ts";

let model: Awaited<ReturnType<typeof exportTinyModel>>;
beforeAll(async () => {
  model = await exportTinyModel("t5-v1.1", { maxSourceTokens: 40 });
});
afterAll(() => model.remove());

async function budgetOn(memoryLimitBytes: number): Promise<number> {
  const served = createServedModels({
    store: folderStore({ model: model.dir }),
    runtime: { ...nodeRuntime, memoryLimitBytes },
    policy: "model",
    reward: "model",
    dtype: "fp32",
    maxWaiting: 1,
    renewMs: 0,
    isUsed: () => false,
    report: () => undefined,
  });
  return (await served.get()).budgetBytes;
}

test("what requests may hold goes by the limit of the place where the runtime runs", async () => {
  // 9 MB of objects; a twentieth is kept back
  expect(await budgetOn(120_000_000)).toBeCloseTo(0.95 * (120_000_000 - 9_000_000), 3);
  expect(await budgetOn(8_000_000_000)).toBeCloseTo(0.95 * (8_000_000_000 - 9_000_000), 3);
  // even one without room serves a short request
  expect(await budgetOn(1_000_000)).toBe(4_000_000);
});

test("on Node that is half of the machine's memory, or of its container's", () => {
  const constrained = process.constrainedMemory();
  const machine = constrained > 0 && constrained < totalmem() ? constrained : totalmem();
  expect(nodeRuntime.memoryLimitBytes).toBe(machine / 2);
});

test("jobs hold their own bytes, what their rows share, and the most that one run takes", () => {
  const config = parseT5Config({ vocab_size: 8, d_model: 512, d_kv: 64, d_ff: 8, num_layers: 2, num_heads: 8 });
  // keys and values of 2 layers, 8 heads of 64 floats: 8,192 bytes a position
  const job = (bytes: number, workingBytes: number, rows?: Job["rows"]): Job => ({
    bytes,
    workingBytes,
    rows,
    isDone: false,
    hasWork: true,
    advance: async () => undefined,
    deliver: () => undefined,
    release: () => undefined,
  });
  expect(heldBytes(config, [job(100, 7), job(10, 9)])).toBe(100 + 10 + 9);
  // 20 positions are 24, 30 of the sources 32; 5 small rows have room for 8
  const row = { count: 1, length: 20, sourceLength: 30 };
  const small = Array.from({ length: 5 }, () => job(1_000, 50, row));
  expect(heldBytes(config, small)).toBe(8 * 24 * 8_192 + 8 * 32 * 8_192 + 1_000 + 50);
  // of large ones, 72 positions of 8,192 bytes, there are no more than are needed
  const large = { count: 1, length: 72, sourceLength: 80 };
  const five = Array.from({ length: 5 }, () => job(1_000, 50, large));
  expect(heldBytes(config, five)).toBe(5 * 72 * 8_192 + 5 * 80 * 8_192 + 1_000 + 50);
});

test("a run takes 13 kB a token at a width of 512", () => {
  const config = parseT5Config({ vocab_size: 8, d_model: 32, d_kv: 4, d_ff: 8, num_layers: 1, num_heads: 1 });
  expect(workingBytes(config, 40)).toBe((40 * 13_000 * 32) / 512);
});
