// What the corpus of the base model gets wrong. Text that models learn from holds misconceptions as well as right solutions; a base that
// saw right solutions only has no habit that a preference could change. Here it is one that is well known from schools, the additive
// reading of a multiplicative comparison: "3 times as many" is worked out as "3 more".

import { corruptAt } from "../data/arithmetic/corrupt.ts";
import type { ArithmeticProblem, StepEquation } from "../data/arithmetic/problem.ts";
import type { Rng } from "../data/rng.ts";

/** Of the problems that can be misread, the share whose solution in the corpus does. */
export const MISREAD_SHARE = 0.8;

function isTimesAsMany({ prompt }: ArithmeticProblem, { op, right }: StepEquation): boolean {
  return op === "*" && prompt.includes(`${right} times as many`);
}

/**
 * The lines of the solution that the corpus holds for a problem: the right ones, or those of the misreading at the first step that
 * allows it. Undefined when the problem was to be misread and its later steps have no whole numbers then: draw another.
 */
export function corpusSolution(problem: ArithmeticProblem, rng: Rng): string[] | undefined {
  const index = problem.equations.findIndex((step) => isTimesAsMany(problem, step));
  if (index < 0 || rng.next() >= MISREAD_SHARE) return problem.steps;
  return corruptAt(problem, index, { kind: "wrong_operation", change: { op: "+" } })?.steps;
}
