// The tasks of the small base model, made without end from a seed: solve (write the steps), judge (yes or no to the next step, seen
// with all before it), check (the same question about a step alone, where only the arithmetic can be wrong) and fill (its result).
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
const AT_FIRST_ERROR = 0.5;

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

/** The step with one of its numbers replaced at random: a coarse mistake, seen before the fine ones can be. */
function garbleNumber(step: string, rng: Rng, which: "any" | "last"): string {
  const numbers = [...step.matchAll(/\d+/g)];
  const match = which === "last" ? numbers.at(-1) : rng.pick(numbers);
  if (match === undefined) return step;
  let other = rng.int(2, 100);
  if (other === Number(match[0])) other = other === 99 ? 2 : other + 1;
  return `${step.slice(0, match.index)}${other}${step.slice(match.index + match[0].length)}`;
}

/** Share of coarse mistakes among the wrong steps. */
const COARSE = 0.2;

function judgeExample(rng: Rng, tokenizer: TextTokenizer, curriculum: Curriculum): Example {
  const problem = drawProblem(rng, curriculum);
  const asked = (steps: readonly string[], index: number, correct: boolean, rightStep?: string): Example => {
    const lines = steps.map((text) => ({ text }));
    const input = tokenizer.encode(judgePrompt(problem.prompt, lines, index));
    return { input, labels: tokenizer.encode(verdict(correct, rightStep)) };
  };
  if (rng.next() >= FROM_WRONG) {
    const index = rng.int(0, problem.steps.length);
    return asked(problem.steps, index, true, problem.steps[index]);
  }
  if (rng.next() < COARSE) {
    const index = rng.int(0, problem.steps.length);
    const right = problem.steps[index] ?? "";
    return asked([...problem.steps.slice(0, index), garbleNumber(right, rng, "any")], index, false, right);
  }
  const wrong = corruptSolution(problem, rng);
  const index = rng.next() < AT_FIRST_ERROR ? wrong.firstWrong : rng.int(0, wrong.steps.length);
  // once a step was wrong, no next step is right: what is taught then is where that was
  const rightStep = problem.steps[Math.min(index, wrong.firstWrong)];
  return asked(wrong.steps, index, wrong.labels[index] ?? false, rightStep);
}

/** Share of single-step checks that only compare two numbers. */
const COMPARISONS = 0.3;

/** "12 = 12": what a verdict rests on once the result is known. */
function comparison(rng: Rng, correct: boolean): string {
  const left = rng.int(2, 100);
  const line = `${left} = ${left}`;
  return correct ? line : garbleNumber(line, rng, "last");
}

/** Share of the fill examples that ask by how much a given result is off. */
const DIFFERENCES = 0.6;

/** A result to fill in, or its distance from the right one: computed at the first decoder position, which is where a verdict is given. */
function fillExample(rng: Rng, tokenizer: TextTokenizer, curriculum: Curriculum): Example {
  const problem = drawProblem(rng, curriculum);
  const index = rng.int(0, problem.equations.length);
  const result = problem.equations[index]?.result ?? 0;
  const step = problem.steps[index] ?? "";
  const given = rng.next() < DIFFERENCES ? resultNear(result, rng) : undefined;
  const open = step.replace(/= \d+/, given === undefined ? "= ?" : `= ${given} ?`);
  const label = given === undefined ? String(result) : `${Math.abs(given - result)} ${given < result ? "-" : "+"}`;
  return { input: tokenizer.encode(judgePrompt("", [{ text: open }], 0, "none")), labels: tokenizer.encode(label) };
}

/** The result itself, a near miss, or any other number. */
function resultNear(result: number, rng: Rng): number {
  const kind = rng.next();
  if (kind < 0.25) return result;
  const given = kind < 0.7 ? result + rng.pick([-10, -2, -1, 1, 2, 10]) : rng.int(2, 100);
  return given < 1 || given > 99 ? result : given;
}

/** A step without its context, right or with a wrong result: short, and what the judge must be able to do first. */
function checkExample(rng: Rng, tokenizer: TextTokenizer, curriculum: Curriculum): Example {
  const problem = drawProblem(rng, curriculum);
  const correct = rng.next() < 0.5;
  if (rng.next() < COMPARISONS) {
    return {
      input: tokenizer.encode(judgePrompt("", [{ text: comparison(rng, correct) }], 0, "none")),
      labels: tokenizer.encode(verdict(correct, undefined)),
    };
  }
  const coarse = rng.next() < COARSE;
  const slip = correct || coarse ? undefined : corruptWith(problem, "arithmetic_slip", rng);
  const index = slip?.firstWrong ?? rng.int(0, problem.equations.length);
  const right = problem.steps[index] ?? "";
  const text = correct ? right : (slip?.steps[index] ?? garbleNumber(right, rng, "last"));
  return {
    input: tokenizer.encode(judgePrompt("", [{ text }], 0, "none")),
    labels: tokenizer.encode(verdict(correct, right)),
  };
}

const MAKERS = { solve: solveExample, judge: judgeExample, check: checkExample, fill: fillExample };

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
