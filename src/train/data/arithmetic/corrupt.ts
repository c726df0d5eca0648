// Plausibly wrong solutions: right up to some step, then one mistake, and from there on the wrong value carried forward.
// The labels come from how the solution was made (which values the mistake reached), not from the checker.

import type { Rng } from "../../../shared/rng.ts";
import { MISTAKE_KINDS, type Mistake, type MistakeKind, mistakesAt } from "./mistakes.ts";
import {
  type ArithmeticProblem,
  answerLine,
  applyOperator,
  equationKey,
  type StepEquation,
  stepLine,
} from "./problem.ts";

const MAX_VALUE = 199;

export interface CorruptedSolution {
  /** Lines in order; the last is the wrong answer. */
  steps: string[];
  /** One per line: true iff it is right for this question (operation, numbers, result). */
  labels: boolean[];
  /** Index of the first false label. */
  firstWrong: number;
  kind: MistakeKind;
}

/** What the solver holds as the result of one of the problem's steps. */
interface Held {
  value: number;
  right: boolean;
}

/** A wrong solution of the problem; its kind is drawn evenly from those that the numbers allow. */
export function corruptSolution(problem: ArithmeticProblem, rng: Rng): CorruptedSolution {
  for (const kind of rng.shuffle(MISTAKE_KINDS)) {
    const corrupted = corruptWith(problem, kind, rng);
    if (corrupted !== undefined) return corrupted;
  }
  throw new RangeError("corruptSolution: no mistake fits a problem without steps");
}

/** A wrong solution with a mistake of this kind at a random step; undefined when the numbers allow none. */
export function corruptWith(problem: ArithmeticProblem, kind: MistakeKind, rng: Rng): CorruptedSolution | undefined {
  for (const index of rng.shuffle(problem.equations.map((_, i) => i))) {
    for (const mistake of rng.shuffle(mistakesAt(problem, index, kind))) {
      const corrupted = corruptAt(problem, index, mistake);
      if (corrupted !== undefined) return corrupted;
    }
  }
  return undefined;
}

/** The solution as a solver writes it who makes one mistake; undefined when it would not be wrong, whole or within range. */
export function corruptAt(problem: ArithmeticProblem, index: number, mistake: Mistake): CorruptedSolution | undefined {
  const goldKeys = new Set(problem.equations.map(equationKey));
  const steps: string[] = [];
  const labels: boolean[] = [];
  const held: Held[] = [];

  /** Writes a line; false when it is out of range, or would be wrong by origin yet right to the letter. */
  const write = (step: StepEquation, right: boolean): boolean => {
    if (step.result < 1 || step.result > MAX_VALUE) return false;
    if (!right && goldKeys.has(equationKey(step))) return false;
    steps.push(stepLine(step));
    labels.push(right);
    return true;
  };

  for (const [i, gold] of problem.equations.entries()) {
    const left = held[gold.leftFrom] ?? { value: gold.left, right: true };
    const operand = held[gold.rightFrom] ?? { value: gold.right, right: true };
    const right = left.right && operand.right;
    const step = compute({ ...gold, left: left.value, right: operand.value });
    if (i !== index) {
      if (step === undefined || !write(step, right)) return undefined;
      held.push({ value: step.result, right });
    } else if (mistake.kind === "dropped_step") {
      held.push({ value: gold.left, right: false });
    } else if (mistake.kind === "repeated_step") {
      const again = compute({ ...gold, left: gold.result });
      if (again === undefined || !write(gold, true) || !write(again, false)) return undefined;
      held.push({ value: again.result, right: false });
    } else {
      const wrong = "result" in mistake ? { ...gold, result: mistake.result } : compute({ ...gold, ...mistake.change });
      if (wrong === undefined || wrong.result === gold.result || !write(wrong, false)) return undefined;
      held.push({ value: wrong.result, right: false });
    }
  }

  const last = held.at(-1);
  if (last === undefined || last.right || last.value === problem.answer) return undefined;
  steps.push(answerLine(last.value));
  labels.push(false);
  return { steps, labels, firstWrong: labels.indexOf(false), kind: mistake.kind };
}

/** The step with the result of its own numbers; undefined when that is not a whole number. */
function compute(step: StepEquation): StepEquation | undefined {
  const result = applyOperator(step.left, step.op, step.right);
  return result === undefined ? undefined : { ...step, result };
}
