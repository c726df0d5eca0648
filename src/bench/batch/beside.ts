// Interactive clients beside a batch: how much longer their requests take; and what the batch's own machinery costs.

import { fileURLToPath } from "node:url";
import { z } from "zod";
import { ask, requestOf } from "../load/client.ts";
import { createBatch, hasEnded, inputLines, openStage, submitBatch, untilBatch } from "./stage.ts";

export interface BesideResult {
  clients: number;
  /** 95th percentile of the requests' times, ms. */
  p95_alone: number;
  p95_beside: number;
  ratio: number;
  /** What the batch did meanwhile, a second. */
  batch_records_per_second: number;
}

/** By turns without and with a batch in work. */
export async function benchBeside(
  modelDir: string,
  options: {
    clients: number;
    rounds: number;
    seconds: number;
    maxNewTokens: number;
    /** BATCH_BESIDE; the worker's default where it is not given. */
    beside?: number | undefined;
    say: (line: string) => void;
  },
): Promise<BesideResult> {
  const { clients, rounds, seconds, maxNewTokens, say } = options;
  const env = { MAX_WAITING: "64", ...(options.beside !== undefined && { BATCH_BESIDE: String(options.beside) }) };
  const stage = await openStage({ modelDir, env });
  try {
    const { id } = await submitBatch(stage.client, inputLines(50_000, maxNewTokens));
    await untilBatch(
      () => stage.client,
      id,
      ({ request_counts: counts }) => counts.completed > 0,
    );
    const alone: number[] = [];
    const beside: number[] = [];
    let records = 0;
    for (let round = 0; round < rounds; round++) {
      await fetch(`${stage.url}/v1/batches/${id}/pause`, { method: "POST" });
      // the steps that were begun still end
      await times(stage.url, clients, 12, maxNewTokens);
      alone.push(...(await times(stage.url, clients, seconds, maxNewTokens)));
      await fetch(`${stage.url}/v1/batches/${id}/resume`, { method: "POST" });
      await times(stage.url, clients, 3, maxNewTokens);
      const before = await stage.client.retrieve(id);
      beside.push(...(await times(stage.url, clients, seconds, maxNewTokens)));
      const after = await stage.client.retrieve(id);
      records += (after?.request_counts.completed ?? 0) - (before?.request_counts.completed ?? 0);
      say(`round ${round + 1}: p95 ${p95(alone).toFixed(0)} ms alone, ${p95(beside).toFixed(0)} ms beside the batch`);
    }
    await fetch(`${stage.url}/v1/batches/${id}/cancel`, { method: "POST" });
    await untilBatch(() => stage.client, id, hasEnded);
    return {
      clients,
      p95_alone: p95(alone),
      p95_beside: p95(beside),
      ratio: p95(beside) / p95(alone),
      batch_records_per_second: records / (rounds * seconds),
    };
  } finally {
    await stage.close();
  }
}

/** Times of the requests of so many clients, each asking again and again. */
async function times(url: string, clients: number, seconds: number, maxNewTokens: number): Promise<number[]> {
  const end = performance.now() + 1000 * seconds;
  const all: number[] = [];
  let index = 0;
  const client = async (): Promise<void> => {
    while (performance.now() < end) {
      const { status, ms } = await ask(url, requestOf(index++, { maxNewTokens }));
      if (status === 200) all.push(ms);
    }
  };
  await Promise.all(Array.from({ length: clients }, client));
  return all;
}

function p95(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(0.95 * sorted.length))] ?? Number.NaN;
}

export interface OverheadResult {
  records: number;
  /** Medians of the rounds, seconds: the engine alone, in the same isolate; 16 callers over HTTP; a batch, from its making to its end. */
  engine_seconds: number;
  http_seconds: number;
  batch_seconds: number;
  /** batch / engine - 1. */
  overhead: number;
  /** Of batches of one record: what does not grow with the records. */
  one_record_seconds: number;
  /** The overhead with that left out: that of every further record. */
  overhead_per_record: number;
}

/** The same records by the bare engine, by 16 callers over HTTP, and as a batch, by turns. */
export async function benchOverhead(
  modelDir: string,
  options: { records: number; rounds: number; maxNewTokens: number; say: (line: string) => void },
): Promise<OverheadResult> {
  const { records, rounds, maxNewTokens, say } = options;
  const main = fileURLToPath(new URL("./bare-worker.ts", import.meta.url));
  const stage = await openStage({ modelDir, main, env: { MAX_WAITING: "64" } });
  const times: Record<"bare" | "http" | "batch" | "one", number[]> = { bare: [], http: [], batch: [], one: [] };
  try {
    const lines = inputLines(records, maxNewTokens);
    const asBatch = async (input: string): Promise<number> => {
      const file = await stage.client.upload(new Blob([input]), "input.jsonl");
      const start = performance.now();
      const { id } = await createBatch(stage.client, file);
      await untilBatch(() => stage.client, id, hasEnded);
      return (performance.now() - start) / 1000;
    };
    for (let round = 0; round <= rounds; round++) {
      const bare = await bareSeconds(stage.url, lines);
      const http = await httpSeconds(stage.url, records, maxNewTokens);
      // the batch holds back for callers that were there a moment ago
      await new Promise((resolve) => setTimeout(resolve, 2_000));
      const one = await asBatch(inputLines(1, maxNewTokens));
      const batch = await asBatch(lines);
      say(
        `${records} records: ${bare.toFixed(1)} s by the engine, ${http.toFixed(1)} s by 16 callers, ${batch.toFixed(1)} s as a batch (one record ${one.toFixed(1)} s)`,
      );
      // the first round warms up
      if (round === 0) continue;
      times.bare.push(bare);
      times.http.push(http);
      times.batch.push(batch);
      times.one.push(one);
    }
  } finally {
    await stage.close();
  }
  const [bare, http, batch, one] = [times.bare, times.http, times.batch, times.one].map(median);
  return {
    records,
    engine_seconds: bare ?? Number.NaN,
    http_seconds: http ?? Number.NaN,
    batch_seconds: batch ?? Number.NaN,
    overhead: (batch ?? Number.NaN) / (bare ?? Number.NaN) - 1,
    one_record_seconds: one ?? Number.NaN,
    overhead_per_record: ((batch ?? Number.NaN) - (one ?? Number.NaN)) / (bare ?? Number.NaN) - 1,
  };
}

/** The engine alone, in the worker. */
async function bareSeconds(url: string, lines: string): Promise<number> {
  const response = await fetch(`${url}/bench/bare`, { method: "POST", body: lines });
  return bareSchema.parse(await response.json()).ms / 1000;
}

const bareSchema = z.object({ ms: z.number() });

/** So many callers over HTTP. */
async function httpSeconds(url: string, records: number, maxNewTokens: number): Promise<number> {
  const start = performance.now();
  let next = 0;
  const caller = async (): Promise<void> => {
    while (next < records) await ask(url, requestOf(next++, { maxNewTokens }));
  };
  await Promise.all(Array.from({ length: 16 }, caller));
  return (performance.now() - start) / 1000;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
