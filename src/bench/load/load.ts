// The worker in real workerd under load. Method and figures: docs/benchmarks.md.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRandom } from "../../edge/engine/next-token.ts";
import { prepareEdgeModels } from "../../infer/edge-models.ts";
import { ownWorkerd } from "../batch/own-workerd.ts";
import { startPlainWorkerd } from "../plain-workerd.ts";
import { type Leaving, measureLeaving } from "./leaving.ts";
import { measureOverload, type Overload, wasmMegabytes } from "./overload.ts";
import { measureThroughput, type Throughput } from "./throughput.ts";

export interface LoadBench {
  /** Medians of the rounds. */
  throughput: Throughput[];
  /** Tokens a second of 16 clients over those of one; the middle one of the rounds' ratios. */
  ratio_16_to_1: number;
  ratio_8_to_1: number;
  /** The same of answers by the worker's CPU time. */
  cpu_ratio_16_to_1: number;
  wasm_mb: number;
  overload?: Overload;
  leaving?: Leaving;
}

export interface LoadOptions {
  modelDir: string;
  rewardDir: string;
  /** Rounds of 1, 8 and 16 clients, by turns. */
  rounds: number;
  /** Of each measurement in a round. */
  seconds: number;
  maxNewTokens: number;
  promptTokens: number;
  /** Length of the overload; 0 leaves it out. */
  overloadSeconds: number;
  /** Callers who leave; 0 leaves them out. */
  leaving: number;
  say: (line: string) => void;
}

const CLIENTS = [1, 8, 16] as const;
const OVERLOAD_CLIENTS = 64;

/** Serves the models and measures. Throws what the worker's start throws. */
export async function benchLoad(options: LoadOptions): Promise<LoadBench> {
  const { modelDir, rewardDir, say } = options;
  const assetsDir = await mkdtemp(join(tmpdir(), "stepwise-load-"));
  try {
    const models = await prepareEdgeModels({ policyDir: modelDir, rewardDir, assetsDir });
    const worker = await startPlainWorkerd({ assetsDir, models });
    return await measure(worker.url, options).finally(() => worker.stop());
  } finally {
    say("done");
    await rm(assetsDir, { recursive: true, force: true });
  }
}

async function measure(url: string, options: LoadOptions): Promise<LoadBench> {
  const { rounds, seconds, maxNewTokens, promptTokens, overloadSeconds, leaving, say } = options;
  const shape = { maxNewTokens, promptTokens, pid: await ownWorkerd() };
  say("warming up");
  await measureThroughput(url, { clients: 4, seconds: Math.min(seconds, 3), ...shape });
  const measured: Throughput[][] = [];
  for (let round = 0; round < rounds; round++) {
    const one: Throughput[] = [];
    for (const clients of CLIENTS) {
      say(`round ${round + 1}: ${clients} clients`);
      one.push(await measureThroughput(url, { clients, seconds, ...shape }));
    }
    measured.push(one);
  }
  const ratio = (at: number, key: "tokens_a_second" | "answers_a_cpu_second" = "tokens_a_second"): number =>
    median(measured.map((round) => (round[at]?.[key] ?? Number.NaN) / (round[0]?.[key] ?? Number.NaN)));
  const middle = (at: number, key: keyof Throughput): number =>
    round2(median(measured.map((round) => round[at]?.[key] ?? Number.NaN)));
  const result: LoadBench = {
    throughput: CLIENTS.map((clients, at) => ({
      clients,
      answers_a_second: middle(at, "answers_a_second"),
      tokens_a_second: middle(at, "tokens_a_second"),
      answers_a_cpu_second: middle(at, "answers_a_cpu_second"),
      p50_ms: middle(at, "p50_ms"),
      p95_ms: middle(at, "p95_ms"),
    })),
    ratio_16_to_1: round2(ratio(2)),
    ratio_8_to_1: round2(ratio(1)),
    cpu_ratio_16_to_1: round2(ratio(2, "answers_a_cpu_second")),
    wasm_mb: round2(await wasmMegabytes(url)),
  };
  if (overloadSeconds > 0) {
    say(`overload: ${OVERLOAD_CLIENTS} clients for ${overloadSeconds} s`);
    result.overload = await measureOverload(url, { clients: OVERLOAD_CLIENTS, seconds: overloadSeconds, maxNewTokens });
  }
  if (leaving > 0) {
    say(`${leaving} clients that leave`);
    result.leaving = await measureLeaving(url, { clients: leaving, maxNewTokens, random: createRandom(1) });
  }
  return result;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

const round2 = (value: number): number => Math.round(value * 100) / 100;
