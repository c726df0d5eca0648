// How a model does in the worker: memory of the isolate while it loads, generates and scores, and times. Method: docs/benchmarks.md.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { prepareEdgeModels } from "../infer/edge-models.ts";
import { startOnAssets } from "../infer/local-worker.ts";
import { CapacityError } from "../shared/errors.ts";
import { connectInspector, type Inspector } from "./inspector.ts";

/** Bytes in MB (10^6), times in milliseconds. */
export interface EdgeBench {
  model: string;
  dtype: "int8";
  prompt_tokens: number;
  /**
   * The isolate while it serves: WebAssembly's memory, which never shrinks; the embedding's table, by its size (workerd's inspector does
   * not count ArrayBuffers); objects in the JavaScript heap, the most that was seen; and their sum.
   */
  peak_mb: { wasm: number; embedding: number; javascript_heap: number; total: number };
  first_answer_ms: number;
  ms_per_token: number;
  ms_per_token_4_candidates: number;
  ms_to_score_a_pair: number;
}

const MEGABYTE = 1e6;
const SAMPLE_MS = 250;

/** Serves an exported model as policy and reward model in one worker and measures it. Throws what the worker's start throws. */
export async function benchEdge(options: {
  modelDir: string;
  tokens: number;
  say: (line: string) => void;
}): Promise<EdgeBench> {
  const { modelDir, tokens, say } = options;
  const assetsDir = await mkdtemp(join(tmpdir(), "stepwise-bench-"));
  const models = await prepareEdgeModels({ policyDir: modelDir, rewardDir: modelDir, assetsDir });
  const worker = await startOnAssets({ assetsDir, models, inspect: true, removeAssets: true });
  try {
    if (worker.inspectorUrl === undefined) throw noInspector();
    const embeddingBytes = models.files.filter(({ path }) => path.includes("lean_embedding"));
    return await measure(worker.url, new URL(worker.inspectorUrl), {
      tokens,
      say,
      embeddingBytes: embeddingBytes.reduce((sum, { bytes }) => sum + bytes, 0),
    });
  } finally {
    await worker.stop();
    await rm(assetsDir, { recursive: true, force: true });
  }
}

const generationSchema = z.object({
  model: z.string(),
  usage: z.object({ prompt_tokens: z.number(), completion_tokens: z.number() }),
});

async function measure(
  url: string,
  inspectorUrl: URL,
  { tokens, say, embeddingBytes }: { tokens: number; say: (line: string) => void; embeddingBytes: number },
): Promise<EdgeBench> {
  const post = async (path: string, body: unknown): Promise<unknown> => {
    const response = await fetch(`${url}${path}`, { method: "POST", body: JSON.stringify(body) });
    const text = await response.text();
    if (response.ok) return JSON.parse(text);
    throw new CapacityError({ code: "bench_failed", what: `${path} answered ${response.status}: ${text}` });
  };
  const generate = async (count: number, candidates = 1) => {
    const parameters = { max_new_tokens: count, do_sample: true, seed: 1, best_of: candidates };
    return generationSchema.parse(await post("/generate", { prompt: PROMPT, parameters }));
  };

  say("loading");
  const started = performance.now();
  const first = await generate(1);
  const firstAnswerMs = performance.now() - started;

  // only now: an inspector that listens while the model files arrive breaks their transfer
  const inspector = await connectInspector(inspectorUrl);
  const serving = sampleMemory(inspector);
  say("generating");
  const perToken = await perTokenMs(tokens, generate);
  const perTokenOfFour = await perTokenMs(tokens, (count) => generate(count, 4));
  say("scoring");
  const scored = performance.now();
  await post("/score", { prompt: PROMPT, chosen: CHOSEN, rejected: REJECTED });
  const scoreMs = performance.now() - scored;
  const heapPeak = await serving.stop();

  inspector.close();
  const wasm = await wasmBytes(url);
  return {
    model: first.model,
    dtype: "int8",
    prompt_tokens: first.usage.prompt_tokens,
    peak_mb: {
      wasm: megabytes(wasm),
      embedding: megabytes(embeddingBytes),
      javascript_heap: megabytes(heapPeak),
      total: megabytes(wasm + embeddingBytes + heapPeak),
    },
    first_answer_ms: Math.round(firstAnswerMs),
    ms_per_token: round(perToken),
    ms_per_token_4_candidates: round(perTokenOfFour),
    ms_to_score_a_pair: Math.round(scoreMs),
  };
}

/** Time of a later token: a long answer less one of a single token, which holds the encoder and the first step. */
async function perTokenMs(
  tokens: number,
  generate: (count: number) => Promise<{ usage: { completion_tokens: number } }>,
): Promise<number> {
  const timed = async (count: number) => {
    const started = performance.now();
    const { usage } = await generate(count);
    return { ms: performance.now() - started, tokens: usage.completion_tokens };
  };
  await timed(1);
  const short = await timed(1);
  const long = await timed(tokens);
  const steps = long.tokens / short.tokens - 1;
  return (long.ms - short.ms) / Math.max(steps, 1);
}

/** Asks for the isolate's heap again and again; it answers between the runs of the graphs. */
function sampleMemory(inspector: Inspector): { stop(): Promise<number> } {
  let [peak, stopped] = [0, false];
  const sampling = (async () => {
    while (!stopped) {
      peak = Math.max(peak, (await inspector.heapUsage()).usedSize);
      await new Promise((resolve) => setTimeout(resolve, SAMPLE_MS));
    }
  })();
  return {
    async stop() {
      stopped = true;
      await sampling;
      return peak;
    },
  };
}

async function wasmBytes(url: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(/^stepwise_wasm_memory_bytes (\d+)$/m.exec(text)?.[1] ?? Number.NaN);
}

const megabytes = (bytes: number): number => round(bytes / MEGABYTE);
const round = (value: number): number => Math.round(value * 10) / 10;

function noInspector(): CapacityError {
  return new CapacityError({ code: "no_inspector", what: "the worker opened no inspector", where: "local worker" });
}

const PROBLEM =
  "A shop sells pencils at 3 for 2 dollars and pens at 4 dollars each. Anna buys 12 pencils and 5 pens, pays with a 50 dollar bill, " +
  "and gives half of her change to her brother, who spends a quarter of it on sweets. ";
const PROMPT = `${PROBLEM.repeat(3)}How many dollars has her brother left in the end?`;
const CHOSEN =
  "12 pencils cost 8 dollars.\n5 pens cost 20 dollars.\nThe change is 22 dollars.\nHe has 8.25 dollars left.";
const REJECTED =
  "12 pencils cost 6 dollars.\n5 pens cost 20 dollars.\nThe change is 24 dollars.\nHe has 12 dollars left.";
