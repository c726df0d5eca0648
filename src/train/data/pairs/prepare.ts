// prepare-data: data of any kind to train.jsonl, eval.jsonl and report.json. All pairs of a prompt go to the same side. Pairs lie in a file
// between the two passes: the first reads and counts them, the second writes each to its side, so that no data set is too large for memory.

import { createReadStream } from "node:fs";
import { join } from "node:path";
import { InputError } from "../../../shared/errors.ts";
import { createRng, type Rng } from "../../../shared/rng.ts";
import { LineFile } from "../../io/line-file.ts";
import { writeJson } from "../../io/write-text.ts";
import { linesOf } from "../files/lines.ts";
import type { Dropped } from "../files/raw-record.ts";
import { pairToJson } from "../labelled-pair.ts";
import { KeyTable } from "./key-table.ts";
import { normalisePrompt } from "./normalise-prompt.ts";
import { NumberList } from "./number-list.ts";
import { type PairOptions, sortCounts, streamPairs } from "./read-pairs.ts";

export interface PrepareOptions extends PairOptions {
  input: string;
  /** The files that `input` names, where it is no file itself. */
  files?: readonly string[] | undefined;
  /** Folder to write to. */
  output: string;
  /** Part of the prompts that is kept for evaluation, in [0, 1). */
  evalFraction: number;
  seed: number;
  /** Keep at most so many pairs, drawn at random, in the file's order. */
  maxPairs?: number | undefined;
}

/** report.json; counts of records and of pairs differ where a record makes several pairs, or two make one. */
export interface PrepareReport {
  input: string;
  seed: number;
  eval_fraction: number;
  records_read: number;
  /** Records by the format they were read as. */
  formats: Record<string, number>;
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
  checkFraction(evalFraction);
  const all = await LineFile.create(join(output, "pairs.jsonl"));
  try {
    const prompts = new KeyTable();
    /** Prompt of each pair, by its number. */
    const promptOf = new NumberList();
    const dropped: Record<string, number> = {};
    const droppedRecords: Dropped[] = [];
    const { recordsRead, formats } = await streamPairs(
      options.files ?? input,
      {
        keep(pair) {
          promptOf.push(prompts.add(normalisePrompt(pair.prompt)).number);
          return all.write(`${JSON.stringify(pairToJson(pair))}\n`);
        },
        drop(record) {
          dropped[record.reason] = (dropped[record.reason] ?? 0) + 1;
          if (droppedRecords.length < MAX_DROPPED_LISTED) droppedRecords.push(record);
        },
      },
      options,
    );
    await all.flush();
    const rng = createRng(seed);
    const kept = maxPairs === undefined ? undefined : sample(promptOf.length, maxPairs, rng);
    const isKept = (i: number): boolean => kept === undefined || kept[i] === 1;
    const isEval = drawEvalPrompts(firstOccurrences(promptOf, prompts.size, isKept), prompts.size, evalFraction, rng);
    const counts = await writeSides(
      all.temporary,
      output,
      (i) => {
        if (!isKept(i)) return undefined;
        const prompt = promptOf.at(i);
        return { prompt, side: isEval[prompt] === 1 ? "eval" : "train" };
      },
      prompts.size,
    );
    const report: PrepareReport = {
      input,
      seed,
      eval_fraction: evalFraction,
      records_read: recordsRead,
      formats,
      pairs_read: promptOf.length,
      max_pairs: maxPairs ?? null,
      ...counts,
      dropped: sortCounts(dropped),
      dropped_records: droppedRecords,
    };
    await writeJson(join(output, "report.json"), report);
    return report;
  } finally {
    await all.discard();
  }
}

type Side = "train" | "eval";

/** Second pass: each line of `file` to the side that `placeOf` gives it, undefined for none. */
async function writeSides(
  file: string,
  output: string,
  placeOf: (index: number) => { prompt: number; side: Side } | undefined,
  promptCount: number,
): Promise<Record<Side, { pairs: number; prompts: number }>> {
  const files = {
    train: await LineFile.create(join(output, "train.jsonl")),
    eval: await LineFile.create(join(output, "eval.jsonl")),
  };
  const counts = { train: { pairs: 0, prompts: 0 }, eval: { pairs: 0, prompts: 0 } };
  const met = new Uint8Array(promptCount);
  try {
    let index = 0;
    for await (const line of linesOf(createReadStream(file), file)) {
      const place = placeOf(index++);
      if (place === undefined) continue;
      counts[place.side].pairs++;
      if (met[place.prompt] === 0) counts[place.side].prompts++;
      met[place.prompt] = 1;
      await files[place.side].write(`${line}\n`);
    }
    // both are whole before either has its name
    await files.train.flush();
    await files.eval.flush();
    await files.train.finish();
    await files.eval.finish();
    return counts;
  } catch (error) {
    await files.train.discard();
    await files.eval.discard();
    throw error;
  }
}

/** 1 for each of `size` things that is kept. */
function sample(size: number, count: number, rng: Rng): Uint8Array {
  const order = shuffled(
    Uint32Array.from({ length: size }, (_, i) => i),
    rng,
  );
  const isKept = new Uint8Array(size);
  for (const i of order.subarray(0, count)) isKept[i] = 1;
  return isKept;
}

/** The numbers in the order that `rng.shuffle` gives them; in place, since there may be millions. */
function shuffled(numbers: Uint32Array, rng: Rng): Uint32Array {
  for (let i = numbers.length - 1; i > 0; i--) {
    const j = rng.int(0, i + 1);
    const last = numbers[i] ?? 0;
    numbers[i] = numbers[j] ?? 0;
    numbers[j] = last;
  }
  return numbers;
}

function checkFraction(evalFraction: number): void {
  if (evalFraction >= 0 && evalFraction < 1) return;
  throw new InputError({
    code: "bad_eval_fraction",
    what: `cannot keep ${evalFraction} of the prompts for evaluation`,
    fix: "Use a number from 0 to below 1, such as 0.1.",
  });
}

/** Numbers of the prompts of kept pairs, in the order in which they come. */
function firstOccurrences(promptOf: NumberList, count: number, isKept: (i: number) => boolean): Uint32Array {
  const met = new Uint8Array(count);
  const order = new Uint32Array(count);
  let found = 0;
  for (let i = 0; i < promptOf.length; i++) {
    const prompt = promptOf.at(i);
    if (met[prompt] === 1 || !isKept(i)) continue;
    met[prompt] = 1;
    order[found++] = prompt;
  }
  return order.subarray(0, found);
}

/** 1 for each prompt that is drawn for evaluation, at random; with two prompts or more, both sides get one. */
function drawEvalPrompts(inOrder: Uint32Array, count: number, evalFraction: number, rng: Rng): Uint8Array {
  const order = shuffled(inOrder, rng);
  const wanted = evalFraction === 0 ? 0 : Math.max(1, Math.round(evalFraction * order.length));
  const isEval = new Uint8Array(count);
  for (const prompt of order.subarray(0, Math.max(0, Math.min(wanted, order.length - 1)))) isEval[prompt] = 1;
  return isEval;
}
