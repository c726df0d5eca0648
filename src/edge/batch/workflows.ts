// The two workflows of a batch, as the platform runs them: one for the whole batch, which checks, cuts, starts shards and puts the results
// together, and one for each shard. A step that has a result is never run again; one that was cut off is, and does no harm.
// https://developers.cloudflare.com/workflows/build/rules-of-workflows/

import { WorkflowEntrypoint } from "cloudflare:workers";
import type { Env } from "../env.ts";
import { isolateOf } from "../isolate.ts";
import { runChunk } from "./chunk.ts";
import { finishBatch, planBatch, startShards, type WrittenResult, writeParts } from "./coordinate.ts";
import {
  type BatchBindings,
  batchBindings,
  type JobParams,
  ledgerOf,
  type ShardParams,
  type StepConfig,
  TICK,
  type WorkflowStep,
} from "./platform.ts";

/** A step is tried again after 2 s, 4 s, 6 s, ...: for hours in all, as a full disk or an absent model may be. */
const STEP: StepConfig = { retries: { limit: 100, delay: 2_000, backoff: "linear" }, timeout: "10 minutes" };

export class BatchJob extends WorkflowEntrypoint<Env, JobParams> {
  async run({ payload }: { payload: JobParams }, step: WorkflowStep): Promise<void> {
    const bindings = bound(this.env);
    const { settings } = isolateOf(this.env);
    const isFit = await step.do("check and cut", STEP, () => planBatch(bindings, payload, settings.MAX_BODY_BYTES));
    if (!isFit) return;
    for (let round = 0; ; round++) {
      const left = await step.do(`start shards ${round}`, STEP, () => startShards(bindings, payload));
      if (left === 0) break;
      await untilTick(step, `shards ${round}`);
    }
    await step.do("finalize", STEP, () => ledgerOf(bindings, payload.owner).finalize(payload.batch));
    const results: WrittenResult[] = [];
    for (const kind of ["output", "error"] as const) {
      results.push(await writeParts(bindings, payload, kind, (name, work) => step.do(name, STEP, work)));
    }
    await step.do("finish", STEP, () => finishBatch(bindings, payload, results));
  }
}

export class BatchShard extends WorkflowEntrypoint<Env, ShardParams> {
  async run({ payload }: { payload: ShardParams }, step: WorkflowStep): Promise<void> {
    const bindings = bound(this.env);
    const { batchDeps: deps } = isolateOf(this.env);
    const chunk = { deps, bindings, stepMs: deps.settings.BATCH_STEP_MS };
    let at = { record: payload.first, byte: payload.from };
    while (at.record < payload.last) {
      const from = at;
      const next = await step.do(`records from ${from.record}`, STEP, () => runChunk(chunk, payload, from));
      if (next.control === "cancel") break;
      if (next.control === "pause") await untilTick(step, `paused at ${from.record}`);
      at = { record: next.record, byte: next.byte };
    }
    await step.do("end", STEP, async () => {
      await ledgerOf(bindings, payload.owner).shardEnded(payload.batch, payload.shard);
      const job = await bindings.BATCH_JOBS.get(payload.batch);
      await job.sendEvent({ type: TICK, payload: {} });
    });
  }
}

/** Waits until somebody says that things have changed, or looks for itself after a while. */
async function untilTick(step: WorkflowStep, name: string): Promise<void> {
  try {
    await step.waitForEvent(name, { type: TICK, timeout: "10 minutes" });
  } catch {
    // no word came
  }
}

function bound(env: Env): BatchBindings {
  const bindings = batchBindings(env);
  if (bindings === undefined) throw new TypeError("a workflow runs without the bindings of batches");
  return bindings;
}
