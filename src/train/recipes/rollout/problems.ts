// The problems of a rollout: word problems of the preference split, drawn by seed, or those of a data file.

import { stat } from "node:fs/promises";
import { join } from "node:path";
import { InputError } from "../../../shared/errors.ts";
import { createRng } from "../../../shared/rng.ts";
import { generateSplitProblem } from "../../data/arithmetic/split.ts";
import type { Dropped } from "../../data/files/raw-record.ts";
import { loadItems } from "../../data/problems/load-items.ts";
import type { RolloutProblem } from "./rollout.ts";

/** The built-in source: problems that neither pretraining nor held-out evaluation meets. */
export const PREFERENCE = "preference";

export interface LoadedProblems {
  problems: RolloutProblem[];
  /** Records of the file that were left out. */
  dropped: Dropped[];
}

/** Problems drawn from the preference split, prompts all different. */
export function drawProblems(count: number, seed: number): RolloutProblem[] {
  const rng = createRng(seed);
  const problems = new Map<string, RolloutProblem>();
  while (problems.size < count) {
    const { prompt, steps, answer } = generateSplitProblem(rng, "preference");
    problems.set(prompt, { prompt, gold: steps.join("\n"), answer: String(answer) });
  }
  return [...problems.values()];
}

/**
 * Loads at most `count` problems: drawn by `seed` from the built-in source or from a file's (a folder's train.jsonl).
 * Throws InputError for a file that is missing, broken, or holds no problem.
 */
export async function loadProblems(data: string, count: number, seed: number): Promise<LoadedProblems> {
  if (!Number.isInteger(count) || count < 1) {
    const fix = "Ask for at least 1 problem with --problems.";
    throw new InputError({ code: "no_problems", what: `cannot solve ${count} problems`, where: "--problems", fix });
  }
  if (data === PREFERENCE) return { problems: drawProblems(count, seed), dropped: [] };
  const isFolder = (await stat(data).catch(() => undefined))?.isDirectory() ?? false;
  const file = isFolder ? join(data, "train.jsonl") : data;
  const { items, dropped } = await loadItems({ data: file, problems: count, seeds: [seed] });
  const problems = items.map(({ prompt, gold, answer }) => ({
    prompt,
    gold: gold ?? undefined,
    answer: answer ?? undefined,
  }));
  return { problems, dropped };
}
