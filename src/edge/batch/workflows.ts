// The two workflows of a batch, as the platform runs them: one for the whole batch, which checks, cuts, starts shards and puts the results
// together, and one for each shard. A step that has a result is never run again; one that was cut off is, and does no harm. A step whose
// tries are used up ends nothing without a word: a shard gives its records up, a batch has failed, each with the reason.
// https://developers.cloudflare.com/workflows/build/rules-of-workflows/

import { WorkflowEntrypoint } from "cloudflare:workers";
import { NonRetryableError } from "cloudflare:workflows";
import type { Env } from "../env.ts";
import { isolateOf } from "../isolate.ts";
import { type Position, runChunk } from "./chunk.ts";
import { finishBatch, planBatch, startShards, type WrittenResult, writeParts } from "./coordinate.ts";
import { faultOf, isEndOfEngine, reasonOf } from "./fault.ts";
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
import { LostInput } from "./read-records.ts";

/** A step is tried again after 2 s, 4 s, 6 s, ...: by default for hours in all, as a full disk or an absent model may be. */
function stepConfig(env: Env): StepConfig {
  const limit = isolateOf(env).settings.BATCH_RETRIES;
  return { retries: { limit, delay: 2_000, backoff: "linear" }, timeout: "10 minutes" };
}

export class BatchJob extends WorkflowEntrypoint<Env, JobParams> {
  async run({ payload }: { payload: JobParams }, step: WorkflowStep): Promise<void> {
    const config = stepConfig(this.env);
    try {
      await this.#run(payload, step, config);
    } catch (error) {
      if (isEndOfEngine(error)) throw error;
      const fail = () => ledgerOf(bound(this.env), payload.owner).fail(payload.batch, [faultOf(error)]);
      await step.do("fail", config, fail);
    }
  }

  async #run(params: JobParams, step: WorkflowStep, config: StepConfig): Promise<void> {
    const bindings = bound(this.env);
    const { MAX_BODY_BYTES } = isolateOf(this.env).settings;
    const plan = () => lasting(planBatch(bindings, params, MAX_BODY_BYTES));
    if (!(await step.do("check and cut", config, plan))) return;
    for (let round = 0; ; round++) {
      const left = await step.do(`start shards ${round}`, config, () => startShards(bindings, params));
      if (left === 0) break;
      await untilTick(step, `shards ${round}`);
    }
    await step.do("finalize", config, () => ledgerOf(bindings, params.owner).finalize(params.batch));
    const results: WrittenResult[] = [];
    for (const kind of ["output", "error"] as const) {
      results.push(await writeParts(bindings, params, kind, (name, work) => step.do(name, config, work)));
    }
    await step.do("finish", config, () => finishBatch(bindings, params, results));
  }
}

export class BatchShard extends WorkflowEntrypoint<Env, ShardParams> {
  async run({ payload }: { payload: ShardParams }, step: WorkflowStep): Promise<void> {
    const config = stepConfig(this.env);
    const ledger = () => ledgerOf(bound(this.env), payload.owner);
    let at: Position = { record: payload.first, byte: payload.from };
    let failures = 0;
    while (at.record < payload.last) {
      const from = at;
      const name = `records from ${from.record}${failures === 0 ? "" : ", given up"}`;
      try {
        const next = await step.do(name, config, () => lasting(this.#chunk(payload, from)));
        if (next.control === "cancel") break;
        if (next.control === "pause") await untilTick(step, `paused at ${from.record}`);
        at = { record: next.record, byte: next.byte };
      } catch (error) {
        if (isEndOfEngine(error)) throw error;
        // first its records are given up; where that cannot be written either, the batch is
        if (failures++ === 0) {
          await step.do("give up", config, () => ledger().giveUp(payload.batch, payload.shard, reasonOf(error)));
        } else {
          await step.do("break off", config, () => ledger().breakOff(payload.batch, faultOf(error)));
          break;
        }
      }
    }
    await step.do("end", config, () => ledger().shardEnded(payload.batch, payload.shard));
  }

  #chunk(params: ShardParams, from: Position) {
    const { batchDeps: deps } = isolateOf(this.env);
    return runChunk({ deps, bindings: bound(this.env), stepMs: deps.settings.BATCH_STEP_MS }, params, from);
  }
}

/** What no further try can mend ends the step at once. */
async function lasting<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof LostInput) throw new NonRetryableError(error.message);
    throw error;
  }
}

/** Waits until somebody says that things have changed, or looks for itself after a while. */
async function untilTick(step: WorkflowStep, name: string): Promise<void> {
  try {
    await step.waitForEvent(name, { type: TICK, timeout: "10 minutes" });
  } catch (error) {
    if (isEndOfEngine(error)) throw error;
    // no word came
  }
}

function bound(env: Env): BatchBindings {
  const bindings = batchBindings(env);
  if (bindings === undefined) throw new TypeError("a workflow runs without the bindings of batches");
  return bindings;
}
