// The settings of an evaluation, checked before anything is loaded.

import { AGGREGATIONS, type Aggregation } from "../../shared/aggregate.ts";
import { InputError } from "../../shared/errors.ts";
import { HELDOUT } from "../data/problems/load-items.ts";
import type { BackendChoice } from "../tensorflow/backends.ts";
import { BEST_OF } from "./result.ts";

export const PARTS = ["policy", "preference", "judge", "best-of-n"] as const;
export type Part = (typeof PARTS)[number];

export interface EvaluateOptions {
  /** Folder in Hugging Face layout or Hub id. */
  model: string;
  /** Compared with, on the same problems. */
  baseline?: string | undefined;
  /** Scores steps: a zero-shot judge or a trained process reward model. */
  rewardModel?: string | undefined;
  /** File, folder with eval.jsonl, or "heldout" (the default). */
  data?: string | undefined;
  /** Problems a seed; default 200 for heldout, all of a file. */
  problems?: number | undefined;
  /** Fewest and most steps of the built-in problems; default 2 and 6. */
  minSteps?: number | undefined;
  maxSteps?: number | undefined;
  /** Default [42]. */
  seeds?: readonly number[] | undefined;
  /** Default: all that the data allow. */
  parts?: readonly Part[] | undefined;
  /** Samples a problem for best-of-N, default 16. */
  samples?: number | undefined;
  /** Sizes of best-of-N; default those of 1, 2, 4, 8, 16 that `samples` allows. */
  bestOf?: readonly number[] | undefined;
  /** Default 1. */
  temperature?: number | undefined;
  /** Default 0 (off). */
  topK?: number | undefined;
  /** Default 1 (off). */
  topP?: number | undefined;
  /** Default 128. */
  maxNewTokens?: number | undefined;
  /** Of the scores of pairs, default "mean". */
  aggregation?: Aggregation | undefined;
  /** Calls a step wrong below it; default: cross-fitted. */
  threshold?: number | undefined;
  /** Of the bootstrap, default 1000. */
  resamples?: number | undefined;
  /** Data that must share no problem with the evaluation; default: what the models' runs trained on. */
  trainingData?: readonly string[] | undefined;
  allowOverlap?: boolean | undefined;
  /** Problems shown with their solutions, default 12. */
  shownProblems?: number | undefined;
  backend?: BackendChoice | undefined;
  /** Recorded in the result. */
  command?: string | undefined;
  signal?: AbortSignal | undefined;
  /** Lines for the user. */
  log?: ((line: string) => void) | undefined;
}

/** All settings with their defaults. */
export type EvaluationSettings = ReturnType<typeof resolveOptions>;

function refuse(what: string, where: string, fix: string): never {
  throw new InputError({ code: "bad_option", what, where: `--${where}`, fix });
}

function wholeFrom(least: number, value: number, where: string, fix: string): number {
  if (!Number.isInteger(value) || value < least) refuse(`${value} is no whole number of at least ${least}`, where, fix);
  return value;
}

/** Checks the options and fills in defaults. Throws InputError saying what to change. */
export function resolveOptions(options: EvaluateOptions) {
  const { seeds = [42], parts = PARTS, samples = 16, temperature = 1, topK = 0, topP = 1, threshold = null } = options;
  const { data = HELDOUT, aggregation = "mean" } = options;
  const problems = options.problems ?? (data === HELDOUT ? 200 : null);
  if (problems !== null) wholeFrom(1, problems, "problems", "Evaluate at least 1 problem: --problems 200.");
  const { minSteps, maxSteps } = options;
  if (data !== HELDOUT && (minSteps !== undefined || maxSteps !== undefined))
    refuse("the problems of a file are as they are", "min-steps", "Leave out --min-steps and --max-steps.");
  if (seeds.length === 0) refuse("there is no seed", "seed", "Give at least one: --seed 42.");
  for (const seed of seeds) wholeFrom(0, seed, "seed", "Seeds are whole numbers: --seed 42 43 44.");
  if (new Set(seeds).size < seeds.length) refuse("a seed is given twice", "seed", "Give different seeds.");
  if (parts.length === 0) refuse("no part is asked for", "only", `Name some of ${PARTS.join(", ")}.`);
  if (parts.includes("best-of-n")) {
    const fix =
      "Draw at least 2 samples a problem (--samples 16), or leave best-of-N out: --only policy preference judge.";
    wholeFrom(2, samples, "samples", fix);
  }
  const bestOf = [...(options.bestOf ?? BEST_OF.filter((n) => n <= samples))].sort((a, b) => a - b);
  for (const n of bestOf) {
    wholeFrom(1, n, "best-of", "Sizes of best-of-N are whole numbers: --best-of 1 2 4 8.");
    if (n > samples)
      refuse(
        `best of ${n} needs ${n} samples a problem, ${samples} are drawn`,
        "best-of",
        `Use --samples ${n}, or a smaller N.`,
      );
  }
  if (!(temperature > 0))
    refuse(`${temperature} is not above 0`, "temperature", "Greedy decoding is measured anyway; use 1.");
  wholeFrom(0, topK, "top-k", "0 keeps all tokens.");
  if (!(topP > 0 && topP <= 1)) refuse(`${topP} is not in (0, 1]`, "top-p", "1 keeps all tokens.");
  if (threshold !== null && !(threshold > 0 && threshold <= 1))
    refuse(`${threshold} is not in (0, 1]`, "threshold", "Leave it out to have it chosen.");
  if (!AGGREGATIONS.includes(aggregation))
    refuse(`"${aggregation}" is no aggregation`, "aggregation", `Use ${AGGREGATIONS.join(", ")}.`);
  return {
    data,
    problems,
    ...(minSteps !== undefined && { minSteps }),
    ...(maxSteps !== undefined && { maxSteps }),
    seeds: [...seeds],
    parts: new Set(parts),
    samples,
    bestOf: [...new Set(bestOf)],
    sampling: { doSample: true, temperature, topK, topP },
    maxNewTokens: wholeFrom(1, options.maxNewTokens ?? 128, "max-new-tokens", "Use 128."),
    aggregation,
    threshold,
    resamples: wholeFrom(100, options.resamples ?? 1000, "resamples", "Use 1000: fewer than 100 give no interval."),
    shownProblems: wholeFrom(0, options.shownProblems ?? 12, "shown", "Use 12."),
    allowOverlap: options.allowOverlap ?? false,
    backend: options.backend ?? "auto",
    signal: options.signal,
    log: options.log ?? (() => {}),
  } as const;
}
