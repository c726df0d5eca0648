// The two abilities of the small base model on problems it never saw: solving, and judging steps of right and wrong solutions.

import { policyPrompt } from "../../../shared/prompts.ts";
import { createRng } from "../../../shared/rng.ts";
import { checkSolution } from "../../data/arithmetic/checker.ts";
import { corruptSolution } from "../../data/arithmetic/corrupt.ts";
import type { ArithmeticProblem } from "../../data/arithmetic/problem.ts";
import { generateSplitProblem } from "../../data/arithmetic/split.ts";
import { auc } from "../../evaluate/metrics/auc.ts";
import { completeGreedily } from "../../onnx/decode/onnx-generate.ts";
import { LLMRewardModel } from "../../reward/judge/llm-reward-model.ts";
import type { FolderTokenizer, Model } from "../../store/model-folder.ts";

/** Greedy decoding, every line checked symbolically. */
export interface SolveReport {
  problems: number;
  /** Share of problems solved exactly: all steps valid, none missing, the answer right. */
  exactMatch: number;
  /** Share of problems whose final answer is right. */
  answerAccuracy: number;
  /** Valid steps over all written steps. */
  stepValidity: number;
}

export interface BaseModelReport {
  solve: SolveReport;
  judge: { steps: number; auc: number; firstErrorAuc: number; accuracy: number };
}

const MAX_NEW_TOKENS = 112;

/**
 * Evaluates on `problems` held-out problems drawn from `seed`. The judge sees every step of the right solution and of one wrong
 * solution of each; `firstErrorAuc` counts, of the wrong steps, only each solution's first.
 */
export async function evaluateBaseModel(
  model: Model,
  tokenizer: FolderTokenizer,
  options: { problems: number; seed: number },
): Promise<BaseModelReport> {
  const rng = createRng(options.seed);
  const drawn = Array.from({ length: options.problems }, () => generateSplitProblem(rng, "heldout"));
  const solve = await evaluateSolving(model.dir, tokenizer, drawn);
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

async function evaluateSolving(
  modelDir: string,
  tokenizer: FolderTokenizer,
  problems: readonly ArithmeticProblem[],
): Promise<SolveReport> {
  const ids = problems.map(({ prompt }) => tokenizer.encode(policyPrompt(prompt)));
  const rows = await completeGreedily(modelDir, ids, { maxNewTokens: MAX_NEW_TOKENS });
  const checked = problems.map(({ steps }, i) => checkSolution(steps.join("\n"), tokenizer.decode(rows[i] ?? [])));
  const written = checked.flatMap(({ steps }) => steps);
  return {
    problems: problems.length,
    exactMatch: checked.filter(({ exact }) => exact).length / problems.length,
    answerAccuracy: checked.filter(({ answerCorrect }) => answerCorrect).length / problems.length,
    stepValidity: written.filter(({ valid }) => valid).length / Math.max(1, written.length),
  };
}
