// How a model does in the worker: memory of the isolate while it loads, generates and scores, and times. Method: docs/benchmarks.md.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { prepareEdgeModels } from "../infer/edge-models.ts";
import { startOnAssets } from "../infer/local-worker.ts";
import { CapacityError } from "../shared/errors.ts";
import { type TokenTimes, timeTokens } from "./bare-calls.ts";
import type { HeapContent } from "./heap-snapshot.ts";
import { connectInspector, type Inspector } from "./inspector.ts";
import { type PlainWorkerd, startPlainWorkerd } from "./plain-workerd.ts";

/** Bytes in MB (10^6), times in milliseconds. */
export interface EdgeBench {
  model: string;
  reward_model: string;
  /** Tokens that the reward model reads of the pair. */
  scored_tokens: number;
  dtype: "int8";
  prompt_tokens: number;
  /**
   * The isolate while it serves, the largest of the snapshots of its heap: objects in use, and what ArrayBuffers hold, WebAssembly's memory
   * (`wasm`) included.
   */
  peak_mb: { wasm: number; buffers: number; objects: number; total: number };
  /** Largest JavaScript heap with the garbage that was not yet collected. */
  heap_with_garbage_mb: number;
  /** From workerd's start until it listens, then until the first answer; the second again under wrangler, as `npm run dev` starts it. */
  start_ms: number;
  first_answer_ms: number;
  first_answer_in_dev_ms: number;
  ms_per_token: number;
  ms_per_token_4_candidates: number;
  /** Time of a whole answer of 4 candidates over that of one. */
  four_to_one: number;
  /** A pair of four steps a side by the reward model: the middle one of five, and the first. */
  ms_to_score_a_pair: number;
  ms_to_score_the_first_pair: number;
  /** The same engine and runtime in Node: all of a decoder step, and the calls of the graphs in it. */
  in_node: TokenTimes[];
}

const MEGABYTE = 1e6;
const ROUNDS = 5;
/** Between two looks at the memory. */
const SAMPLE_MS = 300;
/** As people sample; a random model's flat distribution without it would measure the sorting of its vocabulary. */
const SAMPLING = { do_sample: true, top_k: 50, seed: 1 };

/** Serves exported models, which may be one, as policy and reward model in one worker, and measures it. Throws what the worker's start throws. */
export async function benchEdge(options: {
  modelDir: string;
  rewardDir: string;
  tokens: number;
  say: (line: string) => void;
}): Promise<EdgeBench> {
  const { modelDir, rewardDir, tokens, say } = options;
  const assetsDir = await mkdtemp(join(tmpdir(), "stepwise-bench-"));
  const models = await prepareEdgeModels({ policyDir: modelDir, rewardDir, assetsDir });
  try {
    say("starting under wrangler");
    const inDev = await startOnAssets({ assetsDir, models });
    // the prompt of a reward model of its own may be too long for the policy
    const prompt = rewardDir === modelDir ? PROMPT : PROBLEM;
    const firstInDev = await firstAnswer(generating(inDev.url, prompt)).finally(() => inDev.stop());
    say("starting workerd alone");
    const worker = await startPlainWorkerd({ assetsDir, models });
    const measured = await measure(worker, { prompt, tokens, say }).finally(() => worker.stop());
    say("timing the calls of the graphs");
    return {
      ...measured,
      first_answer_in_dev_ms: firstInDev,
      in_node: (await timeTokens(modelDir, { prompt, tokens, candidates: [1, 4] })).map(rounded),
    };
  } finally {
    await rm(assetsDir, { recursive: true, force: true });
  }
}

const generationSchema = z.object({
  model: z.string(),
  usage: z.object({ prompt_tokens: z.number(), completion_tokens: z.number() }),
});

const rewardSchema = z.object({ model: z.string(), usage: z.object({ prompt_tokens: z.number() }) });

async function post(url: string, path: string, body: unknown): Promise<unknown> {
  // workerd closes idle connections, of which a busy client hears too late
  const headers = { connection: "close" };
  const response = await fetch(`${url}${path}`, { method: "POST", headers, body: JSON.stringify(body) });
  const text = await response.text();
  if (response.ok) return JSON.parse(text);
  throw new CapacityError({ code: "bench_failed", what: `${path} answered ${response.status}: ${text}` });
}

type Generate = (count: number, candidates?: number) => Promise<z.infer<typeof generationSchema>>;

/** Asks a worker for `count` tokens after a prompt. */
function generating(url: string, prompt: string): Generate {
  return async (count, candidates = 1) => {
    const parameters = { max_new_tokens: count, ...(candidates > 1 && { ...SAMPLING, best_of: candidates }) };
    return generationSchema.parse(await post(url, "/generate", { prompt, parameters }));
  };
}

/** Milliseconds of an answer of one token. */
async function firstAnswer(generate: Generate): Promise<number> {
  const started = performance.now();
  await generate(1);
  return Math.round(performance.now() - started);
}

async function msOf(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return performance.now() - started;
}

async function measure(
  { url, inspectorUrl, startMs }: PlainWorkerd,
  { prompt, tokens, say }: { prompt: string; tokens: number; say: (line: string) => void },
): Promise<Omit<EdgeBench, "in_node" | "first_answer_in_dev_ms">> {
  const generate = generating(url, prompt);
  say("loading");
  const firstAnswerMs = await firstAnswer(generate);
  const { model, usage } = await generate(1);

  say("generating");
  const times = await tokenTimes(tokens, generate);
  say("scoring");
  const pair = () => post(url, "/score", { prompt: PROMPT, chosen: CHOSEN, rejected: REJECTED });
  const firstPair = await msOf(pair);
  const scoring: number[] = [];
  for (let round = 0; round < ROUNDS; round++) scoring.push(await msOf(pair));
  const scored = rewardSchema.parse(await pair());

  // only now: its snapshots take time
  say("looking at the memory");
  const inspector = await connectInspector(inspectorUrl);
  const withGarbage = (await inspector.heapUsage()).usedSize;
  const looking = sampleMemory(inspector);
  await generate(tokens);
  await generate(tokens, 4);
  await pair();
  const peak = await looking.stop();
  inspector.close();
  return {
    model,
    reward_model: scored.model,
    scored_tokens: scored.usage.prompt_tokens,
    dtype: "int8",
    prompt_tokens: usage.prompt_tokens,
    peak_mb: {
      wasm: megabytes(await wasmBytes(url)),
      buffers: megabytes(peak.buffers),
      objects: megabytes(peak.objects),
      total: megabytes(peak.buffers + peak.objects),
    },
    heap_with_garbage_mb: megabytes(Math.max(withGarbage, peak.withGarbage)),
    start_ms: Math.round(startMs),
    first_answer_ms: firstAnswerMs,
    ...times,
    ms_to_score_a_pair: Math.round(median(scoring)),
    ms_to_score_the_first_pair: Math.round(firstPair),
  };
}

/**
 * Time of a later token: a long answer less one of a single token, which holds the encoder and the first step. One candidate and four by
 * turns, so that what disturbs one disturbs the other; medians of the rounds.
 */
async function tokenTimes(
  tokens: number,
  generate: (count: number, candidates: number) => Promise<{ usage: { completion_tokens: number } }>,
): Promise<Pick<EdgeBench, "ms_per_token" | "ms_per_token_4_candidates" | "four_to_one">> {
  const timed = async (count: number, candidates: number) => {
    const started = performance.now();
    const { usage } = await generate(count, candidates);
    return { ms: performance.now() - started, tokens: usage.completion_tokens };
  };
  const both = async (candidates: number): Promise<{ answer: number; token: number }> => {
    const [short, long] = [await timed(1, candidates), await timed(tokens, candidates)];
    // tokens are counted over all candidates
    const steps = Math.max(1, long.tokens / short.tokens - 1);
    return { answer: long.ms, token: (long.ms - short.ms) / steps };
  };
  await both(4); // warms up
  const rounds = [];
  for (let round = 0; round < ROUNDS; round++) rounds.push({ one: await both(1), four: await both(4) });
  return {
    ms_per_token: round(median(rounds.map(({ one }) => one.token))),
    ms_per_token_4_candidates: round(median(rounds.map(({ four }) => four.token))),
    four_to_one: Math.round(100 * median(rounds.map(({ one, four }) => four.answer / one.answer))) / 100,
  };
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

/** Looks at the isolate's heap again and again; it answers between the runs of the graphs. */
function sampleMemory(inspector: Inspector): { stop(): Promise<HeapContent & { withGarbage: number }> } {
  let peak: HeapContent = { objects: 0, buffers: 0 };
  let [withGarbage, stopped] = [0, false];
  const sampling = (async () => {
    while (!stopped) {
      withGarbage = Math.max(withGarbage, (await inspector.heapUsage()).usedSize);
      const content = await inspector.heapContent();
      if (content.objects + content.buffers > peak.objects + peak.buffers) peak = content;
      await new Promise((resolve) => setTimeout(resolve, SAMPLE_MS));
    }
  })();
  return {
    async stop() {
      stopped = true;
      await sampling;
      return { ...peak, withGarbage };
    },
  };
}

async function wasmBytes(url: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(/^stepwise_wasm_memory_bytes (\d+)$/m.exec(text)?.[1] ?? Number.NaN);
}

const megabytes = (bytes: number): number => round(bytes / MEGABYTE);
const rounded = ({ candidates, engine, bare }: TokenTimes): TokenTimes => ({
  candidates,
  engine: round(engine),
  bare: round(bare),
});
const round = (value: number): number => Math.round(value * 10) / 10;

const PROBLEM =
  "A shop sells pencils at 3 for 2 dollars and pens at 4 dollars each. Anna buys 12 pencils and 5 pens, pays with a 50 dollar bill, " +
  "and gives half of her change to her brother, who spends a quarter of it on sweets. ";
/** About 256 tokens with the policy's template. */
const PROMPT = `${PROBLEM.repeat(4)}How many dollars has her brother left in the end, to the cent?`;
const CHOSEN =
  "12 pencils cost 8 dollars.\n5 pens cost 20 dollars.\nThe change is 22 dollars.\nHe has 8.25 dollars left.";
const REJECTED =
  "12 pencils cost 6 dollars.\n5 pens cost 20 dollars.\nThe change is 24 dollars.\nHe has 12 dollars left.";
