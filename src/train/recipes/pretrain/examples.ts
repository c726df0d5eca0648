// The tasks of the small base model, made without end from a seed: solve (write the steps, as the corpus has them), judge (yes or no to the next step, seen
// with all before it), check (the same question about a step without its solution, where only the arithmetic can be wrong) and fill (its result).
// Examples are drawn in pools, sorted by length inside a pool, and cut into batches, so that little padding is computed.

import { judgePrompt, policyPrompt } from "../../../shared/prompts.ts";
import type { Rng } from "../../../shared/rng.ts";
import type { TextTokenizer } from "../../../shared/tokenizer.ts";
import { corruptSolution, corruptWith } from "../../data/arithmetic/corrupt.ts";
import { DEFAULT_RANGE } from "../../data/arithmetic/generate.ts";
import type { ArithmeticProblem, Equation } from "../../data/arithmetic/problem.ts";
import { generateSplitProblem } from "../../data/arithmetic/split.ts";
import { type EncoderTarget, encoderTargets } from "./encoder-targets.ts";
import { corpusSolution } from "./misreading.ts";

/** One training example as token ids, both ending in EOS. */
export interface Example {
  input: number[];
  labels: number[];
  /** What should stand in the input; see `encoderTargets`. */
  targets: EncoderTarget[];
  /** Tens and units of the result that the judged step should have; undefined where nothing is judged. */
  result?: ResultDigits | undefined;
}

/** Tokens of the last two digits of a number, 0 for a missing one. */
export interface ResultDigits {
  tens: number;
  units: number;
}

/** Digits of the last number of a step. */
function resultDigits(step: string, tokenizer: TextTokenizer): ResultDigits | undefined {
  const digits = step.match(/\d+(?=\D*$)/)?.[0]?.padStart(2, "0");
  if (digits === undefined) return undefined;
  const token = (digit: string | undefined): number => tokenizer.encode(digit ?? "0")[0] ?? 0;
  return { tens: token(digits.at(-2)), units: token(digits.at(-1)) };
}

/** Share of judged steps taken from wrong solutions, and of those, how often the first wrong step itself. */
const FROM_WRONG = 0.6;
const AT_FIRST_ERROR = 0.45;

/** What the problems and their solutions are like. */
export interface Curriculum {
  /** Share of the problems that have 2 or 3 steps, the rest 2 to 6. */
  shortShare: number;
  /** Of the problems that can be misread, the share whose solution in the corpus does; see `corpusSolution`. */
  misreadShare: number;
}

function drawProblem(rng: Rng, { shortShare }: Pick<Curriculum, "shortShare">): ArithmeticProblem {
  const range = rng.next() < shortShare ? { ...DEFAULT_RANGE, maxSteps: 3 } : DEFAULT_RANGE;
  return generateSplitProblem(rng, "pretrain", range);
}

function solveExample(rng: Rng, tokenizer: TextTokenizer, curriculum: Curriculum): Example {
  for (;;) {
    const problem = drawProblem(rng, curriculum);
    const solution = corpusSolution(problem, rng, curriculum.misreadShare);
    if (solution === undefined) continue;
    return {
      input: tokenizer.encode(policyPrompt(problem.prompt)),
      labels: tokenizer.encode(solution.join("\n")),
      targets: [],
    };
  }
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
const COARSE = 0.1;

function judgeExample(rng: Rng, tokenizer: TextTokenizer, curriculum: Curriculum): Example {
  const problem = drawProblem(rng, curriculum);
  const asked = (steps: readonly string[], index: number, correct: boolean, firstWrong = Number.POSITIVE_INFINITY) => {
    const lines = steps.map((text) => ({ text }));
    const input = tokenizer.encode(judgePrompt(problem.prompt, lines, index));
    const gold: (Equation | undefined)[] = problem.equations.map((equation, i) =>
      i <= firstWrong ? equation : undefined,
    );
    const answer = firstWrong >= problem.equations.length ? problem.answer : undefined;
    // once a step was wrong, no next step is right: what is taught then is where that was
    const rightStep = problem.steps[Math.min(index, firstWrong)] ?? "";
    return {
      input,
      labels: tokenizer.encode(verdict(correct, rightStep)),
      targets: encoderTargets(input, gold, answer, tokenizer),
      result: resultDigits(rightStep, tokenizer),
    };
  };
  if (rng.next() >= FROM_WRONG) return asked(problem.steps, rng.int(0, problem.steps.length), true);
  if (rng.next() < COARSE) {
    const index = rng.int(0, problem.steps.length);
    const garbled = garbleNumber(problem.steps[index] ?? "", rng, "any");
    return asked([...problem.steps.slice(0, index), garbled], index, false);
  }
  const wrong = corruptSolution(problem, rng);
  const index = rng.next() < AT_FIRST_ERROR ? wrong.firstWrong : rng.int(0, wrong.steps.length);
  return asked(wrong.steps, index, wrong.labels[index] ?? false, wrong.firstWrong);
}

/** Share of single-step checks that only compare two numbers. */
const COMPARISONS = 0.15;

/** "12 = 12": what a verdict rests on once the result is known. */
function comparison(rng: Rng, correct: boolean): string {
  const left = rng.int(2, 100);
  const line = `${left} = ${left}`;
  return correct ? line : garbleNumber(line, rng, "last");
}

/** Steps of a fill example; each is of another problem, so that none gives another's result away. */
const FILL_STEPS = 5;

/**
 * Single steps whose results are left open or written at random: the last result is to be filled in, at the first decoder position,
 * which is where a verdict is given; all of them are what the encoder has to know.
 */
function fillExample(rng: Rng, tokenizer: TextTokenizer, curriculum: Curriculum): Example {
  const drawn = Array.from({ length: FILL_STEPS }, () => {
    const problem = drawProblem(rng, curriculum);
    const index = rng.int(0, problem.equations.length);
    const shown = rng.next() < 0.5 ? "?" : String(rng.int(2, 100));
    return { equation: problem.equations[index], text: problem.steps[index]?.replace(/= \d+/, `= ${shown}`) ?? "" };
  });
  const input = tokenizer.encode(judgePrompt("", drawn, FILL_STEPS - 1));
  return {
    input,
    labels: tokenizer.encode(String(drawn.at(-1)?.equation?.result ?? 0)),
    targets: encoderTargets(
      input,
      drawn.map(({ equation }) => equation),
      undefined,
      tokenizer,
    ),
    result: resultDigits(String(drawn.at(-1)?.equation?.result ?? 0), tokenizer),
  };
}

/**
 * Most single steps carry a random result: where a step is mostly right, copying what is written is a good guess at what should be,
 * and the arithmetic is never learnt.
 */
const CORRECT_CHECKS = 0.45;
const COARSE_CHECKS = 0.35;

/** A step without its context, right or with a wrong result: short, and what the judge must be able to do first. */
function checkExample(rng: Rng, tokenizer: TextTokenizer, curriculum: Curriculum): Example {
  const problem = drawProblem(rng, curriculum);
  const correct = rng.next() < CORRECT_CHECKS;
  if (rng.next() < COMPARISONS) {
    const line = comparison(rng, correct);
    return {
      input: tokenizer.encode(judgePrompt("", [{ text: line }], 0, "none")),
      labels: tokenizer.encode(verdict(correct, undefined)),
      targets: [],
      result: resultDigits(line.split(" ")[0] ?? "", tokenizer),
    };
  }
  const coarse = rng.next() < COARSE_CHECKS;
  const slip = correct || coarse ? undefined : corruptWith(problem, "arithmetic_slip", rng);
  const index = slip?.firstWrong ?? rng.int(0, problem.equations.length);
  const right = problem.steps[index] ?? "";
  const text = correct ? right : (slip?.steps[index] ?? garbleNumber(right, rng, "last"));
  const input = tokenizer.encode(judgePrompt("", [{ text }], 0, "none"));
  return {
    input,
    labels: tokenizer.encode(verdict(correct, undefined)),
    targets: encoderTargets(input, [problem.equations[index]], undefined, tokenizer),
    result: resultDigits(right, tokenizer),
  };
}

export type Task = "solve" | "judge" | "check" | "fill";

const MAKERS: Readonly<Record<Task, (rng: Rng, tokenizer: TextTokenizer, curriculum: Curriculum) => Example>> = {
  solve: solveExample,
  judge: judgeExample,
  check: checkExample,
  fill: fillExample,
};

/** `batches` batches of `size` examples of one task, of similar length within a batch, in random order. */
export function drawBatches(
  rng: Rng,
  tokenizer: TextTokenizer,
  task: Task,
  options: Curriculum & { batches: number; size: number },
): Example[][] {
  const make = MAKERS[task];
  const pool = Array.from({ length: options.batches * options.size }, () => make(rng, tokenizer, options));
  // a judge's example counts only its input: the length of a verdict gives its answer away, and a batch of one answer teaches little
  const length = ({ input, labels }: Example): number =>
    task === "solve" ? input.length + 2 * labels.length : input.length;
  pool.sort((a, b) => length(a) - length(b));
  return rng.shuffle(
    Array.from({ length: options.batches }, (_, i) => pool.slice(i * options.size, (i + 1) * options.size)),
  );
}
