// The tasks of the small base model, made without end from a seed: solve (write the steps), judge (yes or no to the next step, seen
// with all before it), and check (the same question about a step alone, where only the arithmetic can be wrong).
// Examples are drawn in pools, sorted by length inside a pool, and cut into batches, so that little padding is computed.

import { judgePrompt, policyPrompt } from "../../shared/prompts.ts";
import type { TextTokenizer } from "../../shared/tokenizer.ts";
import { corruptSolution, corruptWith } from "../data/arithmetic/corrupt.ts";
import { DEFAULT_RANGE } from "../data/arithmetic/generate.ts";
import type { ArithmeticProblem } from "../data/arithmetic/problem.ts";
import { generateSplitProblem } from "../data/arithmetic/split.ts";
import type { Rng } from "../data/rng.ts";

/** One training example as token ids, both ending in EOS. */
export interface Example {
  input: number[];
  labels: number[];
}

/** Share of judged steps taken from wrong solutions, and of those, how often the first wrong step itself. */
const FROM_WRONG = 0.6;
const AT_FIRST_ERROR = 0.7;

/** The curriculum: this share of the problems has 2 or 3 steps, the rest 2 to 6. */
export interface Curriculum {
  shortShare: number;
}

function drawProblem(rng: Rng, { shortShare }: Curriculum): ArithmeticProblem {
  const range = rng.next() < shortShare ? { ...DEFAULT_RANGE, maxSteps: 3 } : DEFAULT_RANGE;
  return generateSplitProblem(rng, "pretrain", range);
}

function solveExample(rng: Rng, tokenizer: TextTokenizer, curriculum: Curriculum): Example {
  const problem = drawProblem(rng, curriculum);
  return { input: tokenizer.encode(policyPrompt(problem.prompt)), labels: tokenizer.encode(problem.steps.join("\n")) };
}

/**
 * "yes" or "no", then the step that would be right. Only the first token is ever read as the judgement; the rest is there for the
 * teaching: one bit an example is too little to learn arithmetic from, the digits of the right result are not.
 */
function verdict(correct: boolean, rightStep: string | undefined): string {
  const answer = correct ? "yes" : "no";
  return rightStep === undefined ? answer : `${answer}\n${rightStep}`;
}

function judgeExample(rng: Rng, tokenizer: TextTokenizer, curriculum: Curriculum): Example {
  const problem = drawProblem(rng, curriculum);
  const wrong = rng.next() < FROM_WRONG ? corruptSolution(problem, rng) : undefined;
  const steps = wrong?.steps ?? problem.steps;
  const firstWrong = wrong?.firstWrong ?? steps.length;
  const index = wrong !== undefined && rng.next() < AT_FIRST_ERROR ? firstWrong : rng.int(0, steps.length);
  const correct = wrong?.labels[index] ?? true;
  const prompt = judgePrompt(
    problem.prompt,
    steps.map((text) => ({ text })),
    index,
  );
  // once a step was wrong, no next step is right
  const rightStep = index <= firstWrong ? problem.steps[index] : undefined;
  return { input: tokenizer.encode(prompt), labels: tokenizer.encode(verdict(correct, rightStep)) };
}

/** A step without its context, right or with a slip in the arithmetic: short, and what the judge must be able to do first. */
function checkExample(rng: Rng, tokenizer: TextTokenizer, curriculum: Curriculum): Example {
  const problem = drawProblem(rng, curriculum);
  const slip = rng.next() < 0.5 ? corruptWith(problem, "arithmetic_slip", rng) : undefined;
  const index = slip?.firstWrong ?? rng.int(0, problem.equations.length);
  const text = slip?.steps[index] ?? problem.steps[index] ?? "";
  return {
    input: tokenizer.encode(judgePrompt("", [{ text }], 0, "none")),
    labels: tokenizer.encode(verdict(slip === undefined, problem.steps[index])),
  };
}

const MAKERS = { solve: solveExample, judge: judgeExample, check: checkExample };

export type Task = keyof typeof MAKERS;

/** `batches` batches of `size` examples of one task, of similar length within a batch, in random order. */
export function drawBatches(
  rng: Rng,
  tokenizer: TextTokenizer,
  task: Task,
  options: Curriculum & { batches: number; size: number },
): Example[][] {
  const make = MAKERS[task];
  const pool = Array.from({ length: options.batches * options.size }, () => make(rng, tokenizer, options));
  // judging by input alone: the length of a verdict gives its answer away, and a batch of one answer teaches little
  const length = ({ input, labels }: Example): number =>
    task === "solve" ? input.length + 2 * labels.length : input.length;
  pool.sort((a, b) => length(a) - length(b));
  return rng.shuffle(
    Array.from({ length: options.batches }, (_, i) => pool.slice(i * options.size, (i + 1) * options.size)),
  );
}
