import { totalmem } from "node:os";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createServedModels } from "../../src/edge/engine/served-models.ts";
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
  // 9 MB of objects, 40 tokens of 13 kB at a d_model of 512, here 32; a twentieth is kept back
  const working = (40 * 13_000 * 32) / 512;
  expect(await budgetOn(120_000_000)).toBeCloseTo(0.95 * (120_000_000 - 9_000_000 - working), 3);
  expect(await budgetOn(8_000_000_000)).toBeCloseTo(0.95 * (8_000_000_000 - 9_000_000 - working), 3);
  // even one without room serves a short request
  expect(await budgetOn(1_000_000)).toBe(4_000_000);
});

test("on Node that is half of the machine's memory, or of its container's", () => {
  const constrained = process.constrainedMemory();
  const machine = constrained > 0 && constrained < totalmem() ? constrained : totalmem();
  expect(nodeRuntime.memoryLimitBytes).toBe(machine / 2);
});
