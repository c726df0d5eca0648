// The symbolic checker in the place of a reward model: leads a search by what it knows of each problem's worked solution.

import { labelsOf } from "../../data/arithmetic/checker.ts";
import type { Scorer } from "../../reward/scoring/scoring-processes.ts";
import type { RolloutProblem } from "./rollout.ts";

/** Scores 1 for a step that the checker finds right, else 0. Every problem needs a worked solution (`checkScorer` sees to that). */
export function checkerReward(problems: readonly RolloutProblem[]): Scorer {
  const gold = new Map(problems.map((problem) => [problem.prompt, problem.gold ?? ""]));
  return {
    processes: 1,
    isProcess: false,
    score: async (completions) =>
      completions.map(({ prompt, completion }) => {
        const stepScores = labelsOf(gold.get(prompt) ?? "", completion).map(Number);
        return { stepScores, score: Math.min(...stepScores) };
      }),
    dispose: () => {},
  };
}
