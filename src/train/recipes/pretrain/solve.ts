// How well a policy solves word problems whose worked solution is known: greedy decoding, every line checked symbolically.

import { policyPrompt } from "../../../shared/prompts.ts";
import type { T5Config } from "../../../shared/t5-config.ts";
import type { TextTokenizer } from "../../../shared/tokenizer.ts";
import { checkSolution } from "../../data/arithmetic/checker.ts";
import { generate } from "../../model/decode/generate.ts";
import type { Parameters } from "../../model/parameters.ts";

export interface SolvedProblem {
  prompt: string;
  completion: string;
  /** All steps valid, none missing, the answer right. */
  exact: boolean;
}

export interface SolveReport {
  problems: number;
  /** Share of problems solved exactly. */
  exactMatch: number;
  /** Share of problems whose final answer is right. */
  answerAccuracy: number;
  /** Valid steps over all written steps. */
  stepValidity: number;
  solved: SolvedProblem[];
}

const MAX_NEW_TOKENS = 112;
const BATCH = 64;

/** Solves each problem greedily; `gold` is a worked solution, one step a line, ending in `A: n`. */
export function evaluateSolving(
  { parameters, config }: { parameters: Parameters; config: T5Config },
  tokenizer: TextTokenizer,
  problems: readonly { prompt: string; gold: string }[],
): SolveReport {
  const inputIds = problems.map(({ prompt }) => tokenizer.encode(policyPrompt(prompt)));
  const rows = generate(parameters, config, inputIds, { maxNewTokens: MAX_NEW_TOKENS, batchSize: BATCH });
  let steps = 0;
  let validSteps = 0;
  let answersRight = 0;
  const solved = problems.map(({ prompt, gold }, i) => {
    const completion = tokenizer.decode(rows[i] ?? []);
    const checked = checkSolution(gold, completion);
    steps += checked.steps.length;
    validSteps += checked.steps.filter((step) => step.valid).length;
    if (checked.answerCorrect) answersRight++;
    return { prompt, completion, exact: checked.exact };
  });
  return {
    problems: problems.length,
    exactMatch: solved.filter((problem) => problem.exact).length / problems.length,
    answerAccuracy: answersRight / problems.length,
    stepValidity: validSteps / Math.max(1, steps),
    solved,
  };
}
