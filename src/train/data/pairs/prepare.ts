// prepare-data: raw data to train.jsonl, eval.jsonl and report.json. All pairs of a prompt go to the same side.

import { join } from "node:path";
import { InputError } from "../../../shared/errors.ts";
import { createRng, type Rng } from "../../../shared/rng.ts";
import { writeText } from "../../io/write-text.ts";
import type { LabelledPair } from "../labelled-pair.ts";
import type { Dropped } from "../raw-records.ts";
import { normalisePrompt } from "./normalise-prompt.ts";
import { countReasons, type Format, readPairs } from "./read-pairs.ts";

export interface PrepareOptions {
  input: string;
  /** Folder to write to. */
  output: string;
  /** Part of the prompts that is kept for evaluation, in [0, 1). */
  evalFraction: number;
  seed: number;
  /** Keep at most so many pairs, drawn at random, in the file's order. */
  maxPairs?: number;
}

/** report.json; counts of records and of pairs differ where a record makes several pairs, or two make one. */
export interface PrepareReport {
  input: string;
  seed: number;
  eval_fraction: number;
  records_read: number;
  formats: Record<Format, number>;
  /** Pairs read, before `max_pairs`. */
  pairs_read: number;
  max_pairs: number | null;
  train: { pairs: number; prompts: number };
  eval: { pairs: number; prompts: number };
  /** What was left out, by reason. */
  dropped: Record<string, number>;
  /** The first of them, with their places. */
  dropped_records: Dropped[];
}

const MAX_DROPPED_LISTED = 200;

/** Converts `input` and writes the three files. Throws InputError when it cannot be read or nothing is left to train on. */
export async function prepareData(options: PrepareOptions): Promise<PrepareReport> {
  const { input, output, evalFraction, seed, maxPairs } = options;
  const { pairs, dropped, recordsRead, formats } = await readPairs(input);
  const rng = createRng(seed);
  const kept = maxPairs === undefined ? pairs : sample(pairs, maxPairs, rng);
  const { train, evaluation } = splitByPrompt(kept, evalFraction, rng);
  const report: PrepareReport = {
    input,
    seed,
    eval_fraction: evalFraction,
    records_read: recordsRead,
    formats,
    pairs_read: pairs.length,
    max_pairs: maxPairs ?? null,
    train: { pairs: train.length, prompts: countPrompts(train) },
    eval: { pairs: evaluation.length, prompts: countPrompts(evaluation) },
    dropped: countReasons(dropped),
    dropped_records: dropped.slice(0, MAX_DROPPED_LISTED),
  };
  await writeText(join(output, "train.jsonl"), jsonLines(train));
  await writeText(join(output, "eval.jsonl"), jsonLines(evaluation));
  await writeText(join(output, "report.json"), `${JSON.stringify(report, null, 2)}\n`);
  return report;
}

function sample<T>(list: readonly T[], count: number, rng: Rng): T[] {
  const kept = new Set(rng.shuffle(list.map((_, i) => i)).slice(0, count));
  return list.filter((_, i) => kept.has(i));
}

/** Splits so that no prompt is on both sides (case and white space aside); with two prompts or more, both sides get one. */
export function splitByPrompt(
  pairs: readonly LabelledPair[],
  evalFraction: number,
  rng: Rng,
): { train: LabelledPair[]; evaluation: LabelledPair[] } {
  if (!(evalFraction >= 0 && evalFraction < 1)) {
    const fix = "Use a number from 0 to below 1, such as 0.1.";
    throw new InputError({
      code: "bad_eval_fraction",
      what: `cannot keep ${evalFraction} of the prompts for evaluation`,
      fix,
    });
  }
  const prompts = rng.shuffle([...new Set(pairs.map(({ prompt }) => normalisePrompt(prompt)))]);
  const wanted = evalFraction === 0 ? 0 : Math.max(1, Math.round(evalFraction * prompts.length));
  const evalPrompts = new Set(prompts.slice(0, Math.min(wanted, prompts.length - 1)));
  const isEval = ({ prompt }: LabelledPair): boolean => evalPrompts.has(normalisePrompt(prompt));
  return { train: pairs.filter((pair) => !isEval(pair)), evaluation: pairs.filter(isEval) };
}

function countPrompts(pairs: readonly LabelledPair[]): number {
  return new Set(pairs.map(({ prompt }) => normalisePrompt(prompt))).size;
}

function jsonLines(pairs: readonly LabelledPair[]): string {
  return pairs.map((pair) => `${JSON.stringify(pair)}\n`).join("");
}
