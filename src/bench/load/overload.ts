// Far more callers than the worker can serve, writing and scoring: what is refused, whether what is answered is right, how memory and
// /health do meanwhile.

import { performance } from "node:perf_hooks";
import { ask, type LoadRequest, requestOf } from "./client.ts";
import { quantile } from "./throughput.ts";

export interface Overload {
  clients: number;
  seconds: number;
  answered: number;
  /** Refusals by status. */
  refused: Record<string, number>;
  /** Answers that differ from the one the same request gets alone. */
  wrong: number;
  p95_ms: number;
  health_p50_ms: number;
  health_p99_ms: number;
  health_failures: number;
  wasm_mb_before: number;
  wasm_mb_after: number;
}

/** Different requests, so that each has been answered alone before. */
const REQUESTS = 40;
const HEALTH_EVERY_MS = 100;
/** Of a caller that was refused. */
const AGAIN_AFTER_MS = 250;

/** Runs the overload. */
export async function measureOverload(
  url: string,
  options: { clients: number; seconds: number; maxNewTokens: number },
): Promise<Overload> {
  const { clients, seconds, maxNewTokens } = options;
  const requests = Array.from({ length: REQUESTS }, (_, index) => requestOf(index, { maxNewTokens, mixed: true }));
  const alone = new Map<LoadRequest, string>();
  for (const request of requests) alone.set(request, (await ask(url, request)).text);
  const before = await wasmMegabytes(url);
  const until = performance.now() + seconds * 1000;
  const refused: Record<string, number> = {};
  const times: number[] = [];
  let wrong = 0;
  const caller = async (_: unknown, index: number): Promise<void> => {
    for (let turn = index * 7; performance.now() < until; turn++) {
      const request = requests[turn % REQUESTS];
      if (request === undefined) return;
      const { status, text, ms } = await ask(url, request);
      if (status === 200) {
        times.push(ms);
        if (text !== alone.get(request)) wrong++;
      } else {
        refused[status] = (refused[status] ?? 0) + 1;
        await new Promise((resolve) => setTimeout(resolve, AGAIN_AFTER_MS));
      }
    }
  };
  const health: number[] = [];
  let failures = 0;
  const watch = async (): Promise<void> => {
    while (performance.now() < until) {
      const started = performance.now();
      const response = await fetch(`${url}/health`, { headers: { connection: "close" } });
      await response.text();
      if (!response.ok) failures++;
      health.push(performance.now() - started);
      await new Promise((resolve) => setTimeout(resolve, HEALTH_EVERY_MS));
    }
  };
  await Promise.all([watch(), ...Array.from({ length: clients }, caller)]);
  return {
    clients,
    seconds,
    answered: times.length,
    refused,
    wrong,
    p95_ms: quantile(times, 0.95),
    health_p50_ms: quantile(health, 0.5),
    health_p99_ms: quantile(health, 0.99),
    health_failures: failures,
    wasm_mb_before: before,
    wasm_mb_after: await wasmMegabytes(url),
  };
}

/** The runtime's memory, from /metrics. */
export async function wasmMegabytes(url: string): Promise<number> {
  return (await gauge(url, "stepwise_wasm_memory_bytes")) / 1e6;
}

/** A gauge of /metrics. */
export async function gauge(url: string, name: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`, { headers: { connection: "close" } })).text();
  return Number(new RegExp(`^${name} (\\d+)$`, "m").exec(text)?.[1] ?? Number.NaN);
}
