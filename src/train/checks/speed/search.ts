// What searching by step scores gains over sampling for the same number of tokens: held-out problems solved exactly. Sampling is given at
// least as many tokens as the search wrote, and its figure is the expectation over subsets of a larger pool of samples.

import type { Aggregation } from "../../../shared/aggregate.ts";
import { createRng } from "../../../shared/rng.ts";
import type { SamplingOptions } from "../../../shared/sampling.ts";
import { rankSolutions, scoreOf, type Vote } from "../../../shared/search/rank.ts";
import { runSearches } from "../../../shared/search/run-searches.ts";
import { type StepSearchKind, type StepSearchOptions, stepSearch } from "../../../shared/search/step-search.ts";
import { loadItems } from "../../data/problems/load-items.ts";
import { type CheckedText, checkText } from "../../evaluate/check-text.ts";
import { answerIds, bestScored, expectedVote, passAtN, subsets } from "../../evaluate/metrics/best-of-n.ts";
import { type Column, columnOf, createResampler, type Resampler } from "../../evaluate/metrics/bootstrap.ts";
import type { Interval } from "../../evaluate/result.ts";
import { type Solution, solveAll } from "../../evaluate/solutions.ts";
import { scoreSteps } from "../../evaluate/step-scores.ts";
import { openOnnxGenerator } from "../../onnx/decode/onnx-generate.ts";
import { searchModels } from "../../recipes/rollout/search-models.ts";
import { loadScorer, scoringProcesses } from "../../reward/scoring/scoring-processes.ts";
import { loadConfig } from "../../store/model-config.ts";
import { loadTokenizer } from "../../store/model-folder.ts";
import type { BackendChoice } from "../../tensorflow/backends.ts";
import { startMeasured } from "./processor.ts";

export interface SearchBenchOptions {
  modelDir: string;
  rewardModelDir: string;
  /** File, or "heldout". */
  data: string;
  problems: number;
  /** The pool of samples. */
  samples: number;
  temperature: number;
  /** How step scores rank solutions and prefixes. */
  aggregation: Aggregation;
  /** Longest solution. */
  maxNewTokens: number;
  seed: number;
  backend?: BackendChoice | undefined;
  say: (line: string) => void;
}

/** Widths and expansions that are tried; a round writes `width * expand` steps. */
const SHAPES: readonly { width: number; expand: number }[] = [
  { width: 1, expand: 4 },
  { width: 2, expand: 2 },
  { width: 2, expand: 4 },
  { width: 4, expand: 2 },
  { width: 4, expand: 4 },
];
const MAX_STEPS = 16;
const MAX_STEP_TOKENS = 48;

interface Against {
  /** Samples that wrote at least as many tokens on average. */
  n: number;
  tokens: number;
  exact: Interval;
  /** The search minus sampling, on the same problems. */
  gain: Interval;
}

interface SearchFigure {
  method: StepSearchKind;
  width: number;
  expand: number;
  choice: "best" | "weighted";
  /** Mean of a problem, dropped steps included. */
  tokens: number;
  exact: Interval;
  best_of_n: Against;
  majority: Against;
  weighted_majority: Against;
}

export interface SearchBench {
  bench: "search";
  problems: number;
  temperature: number;
  aggregation: Aggregation;
  seed: number;
  greedy: { tokens: number; exact: Interval };
  sampling: {
    n: number;
    tokens: number;
    best_of_n: Interval;
    majority: Interval;
    weighted_majority: Interval;
    any: Interval;
  }[];
  searches: SearchFigure[];
}

/** Exact matches expected of n samples of every problem, one list a way of choosing. */
type Expected = Record<"best_of_n" | "majority" | "weighted_majority" | "any", number[]>;

/** Measures all methods on the same problems. */
export async function benchSearch(options: SearchBenchOptions): Promise<SearchBench> {
  const { data, problems, seed, temperature, aggregation, say } = options;
  await startMeasured(options.backend);
  const { items } = await loadItems({ data, problems, seeds: [seed] });
  const prompts = items.map(({ prompt }) => prompt);
  const tokenizer = await loadTokenizer(options.modelDir, await loadConfig(options.modelDir));
  const rewardModel = await loadScorer(options.rewardModelDir, scoringProcesses(problems * options.samples));
  const generator = await openOnnxGenerator(options.modelDir);
  try {
    const sampling: SamplingOptions = { doSample: true, temperature, topK: 0, topP: 1 };
    const indices = items.map((_, i) => i);
    const plan = { samples: options.samples, sampling, bySeed: [{ seed, indices }] };
    const { greedy, sampled } = await solveAll(options.modelDir, tokenizer, prompts, {
      maxNewTokens: options.maxNewTokens,
      name: "policy",
      plan,
    });
    const pool = sampled[0]?.samples ?? [];
    const scores = await scoreSteps(
      rewardModel,
      pool.flatMap((list, i) => list.map(({ text }) => ({ prompt: prompts[i] ?? "", completion: text }))),
    );
    const poolOf = (i: number) =>
      (pool[i] ?? []).map(({ text }) => ({ ...checked(i, text), stepScores: scores(prompts[i] ?? "", text) ?? [] }));
    const checked = (i: number, text: string): CheckedText => {
      const item = items[i];
      if (item === undefined) throw new RangeError(`problem ${i} of ${items.length}`);
      return checkText(item, text);
    };
    const pools = indices.map(poolOf);
    const resampler = createResampler(items.length);
    const sampleTokens = mean(pool.flat().map(({ tokens }) => tokens));
    const expected = cached((n: number) => expectations(pools, n, aggregation, seed));
    const against = (way: keyof Expected, column: Column, tokens: number): Against => {
      const n = Math.min(options.samples, Math.max(1, Math.ceil(tokens / sampleTokens)));
      const own = columnOf(expected(n)[way]);
      return { n, tokens: n * sampleTokens, exact: resampler.mean(own), gain: resampler.difference(column, own) };
    };
    say(`greedy: ${shown(greedyFigure(greedy, checked, resampler).exact)}`);
    for (let n = 1; n <= Math.min(options.samples, 12); n++) {
      const { best_of_n, majority, weighted_majority } = expected(n);
      const figures = [best_of_n, majority, weighted_majority].map((values) => shown(resampler.mean(columnOf(values))));
      say(
        `${n} samples, ${(n * sampleTokens).toFixed(0)} tokens: best ${figures[0]}, majority ${figures[1]}, weighted ${figures[2]}`,
      );
    }
    const searches: SearchFigure[] = [];
    for (const shape of SHAPES) {
      for (const kind of shape.width === 1 ? (["step_beam"] as const) : (["step_beam", "dvts"] as const)) {
        say(`search: ${kind}, width ${shape.width}, expand ${shape.expand}`);
        const searchOptions: StepSearchOptions = {
          kind,
          ...shape,
          depth: MAX_STEPS,
          maxStepTokens: MAX_STEP_TOKENS,
          budgetTokens: shape.width * shape.expand * options.maxNewTokens,
          aggregation,
        };
        const results = await runSearches(
          prompts.map(() => stepSearch(searchOptions)),
          searchModels({ generator, tokenizer }, rewardModel, { prompts, sampling, seed }),
        );
        const tokens = mean(results.map((result) => result.tokens));
        for (const choice of ["best", "weighted"] as const) {
          const vote: Vote = choice === "best" ? "none" : "weighted";
          const exact = results.map(({ solutions }, i) => {
            const [first = 0] = rankSolutions(solutions, { ranking: "score", vote, aggregation }).order;
            return checked(i, (solutions[first]?.text ?? "").trim()).exact;
          });
          const column = columnOf(exact);
          say(`  ${choice}: ${shown(resampler.mean(column))} at ${tokens.toFixed(0)} tokens`);
          searches.push({
            method: kind,
            ...shape,
            choice,
            tokens,
            exact: resampler.mean(column),
            best_of_n: against("best_of_n", column, tokens),
            majority: against("majority", column, tokens),
            weighted_majority: against("weighted_majority", column, tokens),
          });
        }
      }
    }
    return {
      bench: "search",
      problems: items.length,
      temperature,
      aggregation,
      seed,
      greedy: greedyFigure(greedy, checked, resampler),
      sampling: [1, 2, 4, 8, 16]
        .filter((n) => n <= options.samples)
        .map((n) => {
          const { best_of_n, majority, weighted_majority, any } = expected(n);
          const figure = (values: number[]): Interval => resampler.mean(columnOf(values));
          return {
            n,
            tokens: n * sampleTokens,
            best_of_n: figure(best_of_n),
            majority: figure(majority),
            weighted_majority: figure(weighted_majority),
            any: figure(any),
          };
        }),
      searches,
    };
  } finally {
    await generator.dispose();
    rewardModel.dispose();
  }
}

function greedyFigure(
  greedy: readonly Solution[],
  checked: (i: number, text: string) => CheckedText,
  resampler: Resampler,
): SearchBench["greedy"] {
  const exact = columnOf(greedy.map(({ text }, i) => checked(i, text).exact));
  return { tokens: mean(greedy.map(({ tokens }) => tokens)), exact: resampler.mean(exact) };
}

function shown({ value, low, high }: Interval): string {
  return `${value.toFixed(3)} [${low.toFixed(3)}, ${high.toFixed(3)}]`;
}

interface PoolSample extends CheckedText {
  stepScores: readonly number[];
}

function expectations(
  pools: readonly (readonly PoolSample[])[],
  n: number,
  aggregation: Aggregation,
  seed: number,
): Expected {
  const rng = createRng(seed);
  const found: Expected = { best_of_n: [], majority: [], weighted_majority: [], any: [] };
  for (const pool of pools) {
    const exact = pool.map((sample) => Number(sample.exact));
    const ranked = pool.map(({ text, stepScores }) => ({ text, logp: 0, stepScores }));
    const scores = ranked.map((one) => scoreOf(one, aggregation));
    const ids = answerIds(pool);
    const drawn = subsets(pool.length, n, rng);
    const vote = (weights: readonly number[]): number =>
      expectedVote({ answers: ids, weights, values: [exact] }, drawn)[0] ?? 0;
    found.best_of_n.push(bestScored(scores, exact, n));
    found.majority.push(vote(pool.map(() => 1)));
    found.weighted_majority.push(vote(scores.map((score) => Math.max(0, score))));
    found.any.push(passAtN(pool.length, exact.filter((value) => value > 0).length, n));
  }
  return found;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Computes each argument's result once. */
function cached<T>(compute: (n: number) => T): (n: number) => T {
  const known = new Map<number, T>();
  return (n) => {
    const value = known.get(n) ?? compute(n);
    known.set(n, value);
    return value;
  };
}
