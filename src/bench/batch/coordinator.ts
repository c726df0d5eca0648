// Memory of what runs a batch: the worker's isolate, which holds ledger, workflows and engine, and the platform's stand-ins beside it.

import { type IsolateMemory, isolateMemory } from "./isolates.ts";
import { ownWorkerd } from "./own-workerd.ts";
import { hasEnded, inputLines, openStage, submitBatch, untilBatch } from "./stage.ts";

export interface CoordinatorResult {
  records: number;
  /** In use by each isolate after a garbage collection, MB: after a small batch, then nine tenths through this one, and at its end. */
  isolates: { name: string; before_mb: number; during_mb: number; after_mb: number }[];
}

/** Runs so many records as a batch. */
export async function benchCoordinator(
  modelDir: string,
  { records, maxNewTokens }: { records: number; maxNewTokens: number },
): Promise<CoordinatorResult> {
  const stage = await openStage({ modelDir, inspect: true, env: { BATCH_STEP_MS: "2000" } });
  const client = () => stage.client;
  try {
    const pid = await ownWorkerd();
    // opens the models, and all code that a batch runs
    const small = await submitBatch(stage.client, inputLines(100, maxNewTokens));
    await untilBatch(client, small.id, hasEnded);
    const before = await isolateMemory(pid);
    const { id } = await submitBatch(stage.client, inputLines(records, maxNewTokens));
    await untilBatch(client, id, (batch) => batch.request_counts.completed >= 0.9 * records || hasEnded(batch));
    const during = await isolateMemory(pid);
    await untilBatch(client, id, hasEnded);
    const after = await isolateMemory(pid);
    const isolates = before.map(({ name }) => ({
      name,
      before_mb: sizeOf(before, name),
      during_mb: sizeOf(during, name),
      after_mb: sizeOf(after, name),
    }));
    return { records, isolates };
  } finally {
    await stage.close();
  }
}

function sizeOf(isolates: readonly IsolateMemory[], of: string): number {
  const [one] = isolates.filter(({ name }) => name === of);
  return one === undefined ? Number.NaN : one.objects_mb + one.buffers_mb;
}
