// How many answers a second a number of callers get who ask again as soon as they are answered.

import { z } from "zod";
import { cpuSeconds } from "../batch/own-workerd.ts";
import { ask, requestOf } from "./client.ts";

/** Callers at once, and what they got. */
export interface Throughput {
  clients: number;
  answers_a_second: number;
  tokens_a_second: number;
  /** Answers by the worker's CPU time, which other work on the machine hardly changes. */
  answers_a_cpu_second: number;
  p50_ms: number;
  p95_ms: number;
}

const usageSchema = z.object({ usage: z.object({ completion_tokens: z.number() }) });

/** Value below which a share of the sorted values lies. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

/** Lets callers ask for so long; what is under way at the end counts, with its time. Throws Error when an answer is not a 200. */
export async function measureThroughput(
  url: string,
  options: { clients: number; seconds: number; maxNewTokens: number; promptTokens?: number; pid: number },
): Promise<Throughput> {
  const { clients, seconds, pid, ...shape } = options;
  const cpuBefore = await cpuSeconds(pid);
  const started = performance.now();
  const times: number[] = [];
  let [next, tokens] = [0, 0];
  const caller = async (): Promise<void> => {
    while (performance.now() - started < seconds * 1000) {
      const { status, text, ms } = await ask(url, requestOf(next++, shape));
      if (status !== 200) throw new Error(`an answer of ${status}: ${text}`);
      times.push(ms);
      tokens += usageSchema.parse(JSON.parse(text)).usage.completion_tokens;
    }
  };
  await Promise.all(Array.from({ length: clients }, caller));
  const elapsed = (performance.now() - started) / 1000;
  return {
    clients,
    answers_a_second: times.length / elapsed,
    tokens_a_second: tokens / elapsed,
    answers_a_cpu_second: times.length / ((await cpuSeconds(pid)) - cpuBefore),
    p50_ms: quantile(times, 0.5),
    p95_ms: quantile(times, 0.95),
  };
}
