// Interactive clients beside a batch: how much longer their requests take; and what the batch's own machinery costs.

import { ask, requestOf } from "../load/client.ts";
import { hasEnded, inputLines, openStage, submitBatch, untilBatch } from "./stage.ts";

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
  options: { clients: number; rounds: number; seconds: number; maxNewTokens: number; say: (line: string) => void },
): Promise<BesideResult> {
  const { clients, rounds, seconds, maxNewTokens, say } = options;
  const stage = await openStage({ modelDir, env: { MAX_WAITING: "64" } });
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
  /** Medians of the rounds, seconds. */
  direct_seconds: number;
  batch_seconds: number;
  /** batch / direct - 1. */
  overhead: number;
}

/** The same records by 16 callers over HTTP, and as a batch, by turns. */
export async function benchOverhead(
  modelDir: string,
  options: { records: number; rounds: number; maxNewTokens: number; say: (line: string) => void },
): Promise<OverheadResult> {
  const { records, rounds, maxNewTokens, say } = options;
  const stage = await openStage({ modelDir, env: { MAX_WAITING: "64" } });
  const direct: number[] = [];
  const batch: number[] = [];
  try {
    const lines = inputLines(records, maxNewTokens);
    for (let round = 0; round <= rounds; round++) {
      let start = performance.now();
      let next = 0;
      const caller = async (): Promise<void> => {
        while (next < records) await ask(stage.url, requestOf(next++, { maxNewTokens }));
      };
      await Promise.all(Array.from({ length: 16 }, caller));
      const byHttp = (performance.now() - start) / 1000;
      // the batch holds back for callers that were there a moment ago
      await new Promise((resolve) => setTimeout(resolve, 2_000));
      start = performance.now();
      const { id } = await submitBatch(stage.client, lines);
      await untilBatch(() => stage.client, id, hasEnded);
      const byBatch = (performance.now() - start) / 1000;
      say(`${records} records: ${byHttp.toFixed(1)} s by 16 callers, ${byBatch.toFixed(1)} s as a batch`);
      // the first round warms up
      if (round === 0) continue;
      direct.push(byHttp);
      batch.push(byBatch);
    }
  } finally {
    await stage.close();
  }
  const [directSeconds, batchSeconds] = [median(direct), median(batch)];
  return {
    records,
    direct_seconds: directSeconds,
    batch_seconds: batchSeconds,
    overhead: batchSeconds / directSeconds - 1,
  };
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
