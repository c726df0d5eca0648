// The problems of a round: each round draws others, the same for every loss at the same seed. With a curriculum, the number of steps of
// the next round's problems follows from how many samples of each number were right in this one.

import { createRng, type Rng } from "../../../shared/rng.ts";
import { splitSteps } from "../../../shared/steps.ts";
import { DEFAULT_RANGE } from "../../data/arithmetic/generate.ts";
import { generateSplitProblem } from "../../data/arithmetic/split.ts";
import { loadProblems, PREFERENCE } from "../rollout/problems.ts";
import { isRight, type Rollout, type RolloutProblem } from "../rollout/rollout.ts";
import type { OnlineSettings } from "./settings.ts";

/** Share of right samples by number of steps. */
export type Difficulty = Readonly<Record<string, number>>;

/** Seed of a round's problems and samples. */
export function seedOfRound(seed: number, round: number): number {
  return (seed + Math.imul(round, 0x9e3779b9)) >>> 0;
}

/** A number of steps that nothing is known of, or that is far too easy or too hard, still comes now and then. */
const LEAST = 0.05;

/** Chances of each number of steps from `min` to `max`: p (1 - p), highest where half of the samples are right. */
export function curriculumChances(difficulty: Difficulty, min: number, max: number): number[] {
  const weights = Array.from({ length: max - min + 1 }, (_, i) => {
    const share = difficulty[String(min + i)] ?? 0.5;
    return Math.max(LEAST, share * (1 - share));
  });
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map((weight) => weight / sum);
}

/** Problems of round `round` (from 0). Throws what reading a file throws. */
export async function problemsOfRound(
  settings: OnlineSettings,
  seed: number,
  round: number,
  difficulty: Difficulty,
): Promise<RolloutProblem[]> {
  const own = seedOfRound(seed, round);
  const { problemSource, problems: count } = settings;
  if (problemSource !== PREFERENCE) return (await loadProblems(problemSource, count, own)).problems;
  const rise = round * settings.problemStepsRise;
  const min = (settings.problemMinSteps ?? DEFAULT_RANGE.minSteps) + rise;
  const max = Math.max(min, (settings.problemMaxSteps ?? DEFAULT_RANGE.maxSteps) + rise);
  const rng = createRng(own);
  const chances = settings.curriculum ? curriculumChances(difficulty, min, max) : undefined;
  const problems = new Map<string, RolloutProblem>();
  while (problems.size < count) {
    const steps = chances === undefined ? undefined : min + draw(rng, chances);
    const range = { minSteps: steps ?? min, maxSteps: steps ?? max, traps: settings.problemTraps };
    const { prompt, steps: lines, answer } = generateSplitProblem(rng, "preference", range);
    problems.set(prompt, { prompt, gold: lines.join("\n"), answer: String(answer) });
  }
  return [...problems.values()];
}

function draw(rng: Rng, chances: readonly number[]): number {
  let left = rng.next();
  const index = chances.findIndex((chance) => {
    left -= chance;
    return left < 0;
  });
  return index < 0 ? chances.length - 1 : index;
}

/** Share of right samples by the number of steps of the worked solution, its answer line not counted. */
export function difficultyOf(rollouts: readonly Rollout[]): Difficulty {
  const counts = new Map<string, { right: number; all: number }>();
  for (const { gold, samples } of rollouts) {
    if (gold === undefined) continue;
    const steps = String(splitSteps(gold).length - 1);
    const known = counts.get(steps) ?? { right: 0, all: 0 };
    known.all += samples.length;
    known.right += samples.filter((sample) => isRight(sample) === true).length;
    counts.set(steps, known);
  }
  return Object.fromEntries([...counts].map(([steps, { right, all }]) => [steps, right / Math.max(1, all)]));
}
