// The two abilities of the small base model on problems it never saw: solving, and judging steps of right and wrong solutions.

import { createRng } from "../../../shared/rng.ts";
import { corruptSolution } from "../../data/arithmetic/corrupt.ts";
import { generateSplitProblem } from "../../data/arithmetic/split.ts";
import { auc } from "../../evaluate/metrics/auc.ts";
import { LLMRewardModel } from "../../reward/judge/llm-reward-model.ts";
import type { FolderTokenizer, Model } from "../../store/model-folder.ts";
import { evaluateSolving, type SolveReport } from "./solve.ts";

export interface BaseModelReport {
  solve: Omit<SolveReport, "solved">;
  judge: { steps: number; auc: number; firstErrorAuc: number; accuracy: number };
}

/**
 * Evaluates on `problems` held-out problems drawn from `seed`. The judge sees every step of the right solution and of one wrong
 * solution of each; `firstErrorAuc` counts, of the wrong steps, only each solution's first.
 */
export function evaluateBaseModel(
  model: Model,
  tokenizer: FolderTokenizer,
  options: { problems: number; seed: number },
): BaseModelReport {
  const rng = createRng(options.seed);
  const drawn = Array.from({ length: options.problems }, () => generateSplitProblem(rng, "heldout"));
  const { solved: _, ...solve } = evaluateSolving(
    model,
    tokenizer,
    drawn.map((problem) => ({ prompt: problem.prompt, gold: problem.steps.join("\n") })),
  );
  const judge = new LLMRewardModel(model, tokenizer);
  const wrong = drawn.map((problem) => corruptSolution(problem, rng));
  const completions = drawn.flatMap((problem, i) => [
    { prompt: problem.prompt, completion: problem.steps.join("\n") },
    { prompt: problem.prompt, completion: wrong[i]?.steps.join("\n") ?? "" },
  ]);
  const labels = drawn.flatMap((problem, i) => [problem.steps.map(() => true), wrong[i]?.labels ?? []]);
  const scored = judge.score(completions);
  judge.dispose();
  const scores = scored.flatMap((completion) => completion.stepScores);
  const flat = labels.flat();
  const first = labels.flatMap((own) => own.map((label, i) => label || own.indexOf(false) === i));
  const kept = first.flatMap((keep, i) => (keep ? [i] : []));
  return {
    solve,
    judge: {
      steps: scores.length,
      auc: auc(scores, flat),
      firstErrorAuc: auc(
        kept.map((i) => scores[i] ?? 0),
        kept.map((i) => flat[i] ?? false),
      ),
      accuracy: scores.filter((score, i) => score >= 0.5 === flat[i]).length / scores.length,
    },
  };
}
