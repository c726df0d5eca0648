// Problems to evaluate on: from a file in any of the formats, or drawn from the held-out split of the built-in word problems.

import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { InputError } from "../../../shared/errors.ts";
import { createRng } from "../../../shared/rng.ts";
import { corruptSolution } from "../arithmetic/corrupt.ts";
import { DEFAULT_RANGE } from "../arithmetic/generate.ts";
import { generateSplitProblem } from "../arithmetic/split.ts";
import { openRecords } from "../files/open-records.ts";
import { type Dropped, isBroken } from "../files/raw-record.ts";
import { readRecord } from "../formats/read-record.ts";
import { addPart, type EvaluationItem } from "./items.ts";
import { partsOfRecord } from "./parts-of-record.ts";

export const HELDOUT = "heldout";

export interface LoadedItems {
  source: string;
  sha256: string;
  formats: Record<string, number>;
  /** Each prompt once, over all seeds. */
  items: EvaluationItem[];
  /** Items of each seed, as indices. */
  bySeed: { seed: number; indices: number[] }[];
  dropped: Dropped[];
}

export interface LoadItemsOptions {
  /** File, folder with eval.jsonl, or "heldout". */
  data: string;
  /** Problems a seed; a file: at most so many, null for all. */
  problems: number | null;
  seeds: readonly number[];
  /** Steps of the built-in problems; default: as the generator draws. */
  minSteps?: number;
  maxSteps?: number;
  /** Built-in problems with traps; see the generator. */
  traps?: boolean;
}

/** Throws InputError for a file that is missing, broken, or holds nothing that can be measured. */
export async function loadItems(options: LoadItemsOptions): Promise<LoadedItems> {
  return options.data === HELDOUT ? drawHeldout(options) : readItems(options);
}

const DEFAULT_PROBLEMS = 200;

/** Every problem with its solution, and one wrong solution with a planted mistake: a pair, and two labelled solutions. */
function drawHeldout({ problems, seeds, minSteps, maxSteps, traps = false }: LoadItemsOptions): LoadedItems {
  const least = minSteps ?? DEFAULT_RANGE.minSteps;
  const range = { minSteps: least, maxSteps: maxSteps ?? Math.max(least, DEFAULT_RANGE.maxSteps), traps };
  const items = new Map<string, EvaluationItem>();
  const indexOf = new Map<string, number>();
  const bySeed = seeds.map((seed) => {
    const rng = createRng(seed);
    const indices = new Set<number>();
    while (indices.size < (problems ?? DEFAULT_PROBLEMS)) {
      const problem = generateSplitProblem(rng, "heldout", range);
      const wrong = corruptSolution(problem, rng);
      const gold = problem.steps.join("\n");
      if (!items.has(problem.prompt)) {
        indexOf.set(problem.prompt, items.size);
        const rejected = wrong.steps.join("\n");
        addPart(items, {
          prompt: problem.prompt,
          gold,
          answer: String(problem.answer),
          pairs: [{ prompt: problem.prompt, chosen: gold, rejected }],
          labelled: [
            { steps: problem.steps, labels: problem.steps.map(() => 1) },
            { steps: wrong.steps, labels: wrong.labels.map(Number) },
          ],
        });
      }
      indices.add(indexOf.get(problem.prompt) ?? 0);
    }
    return { seed, indices: [...indices] };
  });
  const list = [...items.values()];
  const sha256 = createHash("sha256")
    .update(JSON.stringify(list.map(({ prompt, gold }) => [prompt, gold])))
    .digest("hex");
  return { source: HELDOUT, sha256, formats: { heldout: list.length }, items: list, bySeed, dropped: [] };
}

async function dataFile(path: string): Promise<string> {
  const info = await stat(path).catch(() => undefined);
  return info?.isDirectory() ? join(path, "eval.jsonl") : path;
}

async function readItems({ data, problems, seeds }: LoadItemsOptions): Promise<LoadedItems> {
  const path = await dataFile(data);
  const dropped: Dropped[] = [];
  const formats: Record<string, number> = {};
  const all = new Map<string, EvaluationItem>();
  let recordsRead = 0;
  for await (const item of openRecords(path)) {
    recordsRead++;
    if (isBroken(item)) {
      dropped.push(item);
      continue;
    }
    try {
      const { format, parsed } = readRecord(item.value);
      const parts = partsOfRecord(parsed);
      formats[format] = (formats[format] ?? 0) + 1;
      for (const part of parts) addPart(all, part);
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      dropped.push({ where: item.where, reason: error.code, what: error.what });
    }
  }
  if (all.size === 0) {
    const first = dropped[0];
    throw new InputError({
      code: "no_usable_records",
      what: `none of ${recordsRead} records can be evaluated${first === undefined ? "" : `; the first: ${first.what} (${first.where})`}`,
      where: path,
      fix: "docs/evaluation.md lists the formats and their fields.",
    });
  }
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash);
  const sha256 = hash.digest("hex");
  return { source: path, sha256, formats, dropped, ...drawItems([...all.values()], problems, seeds) };
}

/** Draws `problems` items a seed (all where there are no more), and keeps those that any seed drew, in the file's order. */
function drawItems(
  all: readonly EvaluationItem[],
  problems: number | null,
  seeds: readonly number[],
): Pick<LoadedItems, "items" | "bySeed"> {
  const order = all.map((_, i) => i);
  const drawn = seeds.map((seed) => ({
    seed,
    indices: problems === null || problems >= all.length ? order : createRng(seed).shuffle(order).slice(0, problems),
  }));
  const kept = [...new Set(drawn.flatMap(({ indices }) => indices))].sort((a, b) => a - b);
  const newIndex = new Map(kept.map((old, i) => [old, i]));
  return {
    items: kept.flatMap((i) => all[i] ?? []),
    bySeed: drawn.map(({ seed, indices }) => ({
      seed,
      indices: indices.map((i) => newIndex.get(i) ?? 0).sort((a, b) => a - b),
    })),
  };
}
