// What a corpus can be made to get wrong (--misread-share; nothing by default). Text that models learn from holds misconceptions as well
// as right solutions, and a base with one shows what preferences can mend. Here it is one that is well known from schools, the additive
// reading of a multiplicative comparison: "3 times as many" is worked out as "3 more", "as many again" as "2 more", "half as many" as
// "2 fewer".

import type { Rng } from "../../../shared/rng.ts";
import { corruptAt } from "../../data/arithmetic/corrupt.ts";
import type { ArithmeticProblem, Operator } from "../../data/arithmetic/problem.ts";
import { STEP_STARTS } from "../../data/arithmetic/wording.ts";

/** The operation that a misreader takes for that of step `index`; undefined where there is nothing to misread. */
function misreadOperator({ prompt, equations }: ArithmeticProblem, index: number): Operator | undefined {
  const step = equations[index];
  const isOfContainers = step?.before === STEP_STARTS.part || (index === 0 && /^[^.]*\beach\b/.test(prompt));
  if (step === undefined || isOfContainers) return undefined;
  const isOfOther = index === equations.length - 2; // "twice as many" and "half as many" are said of the other person only, at the end
  const says = (pattern: RegExp): boolean => pattern.test(prompt);
  if (step.op === "*" && prompt.includes(`${step.right} times as many`)) return "+";
  if (step.op === "*" && step.right === 2 && isOfOther && says(/twice as many/)) return "+";
  if (step.op === "*" && step.right === 2 && says(/as many \w+ again/) && !says(/doubles/)) return "+";
  if (step.op === "/" && step.right === 2 && isOfOther && says(/half as many/)) return "-";
  return undefined;
}

/**
 * The lines of the solution that the corpus holds for a problem: the right ones, or, for `misreadShare` (0 to 1) of the problems that can
 * be misread, those of the misreading at the first step that allows it. Undefined when the problem was to be misread and its later steps have no whole numbers then: draw another.
 */
export function corpusSolution(problem: ArithmeticProblem, rng: Rng, misreadShare: number): string[] | undefined {
  const operators = problem.equations.map((_, index) => misreadOperator(problem, index));
  const index = operators.findIndex((operator) => operator !== undefined);
  const op = operators[index];
  if (op === undefined || rng.next() >= misreadShare) return problem.steps;
  return corruptAt(problem, index, { kind: "wrong_operation", change: { op } })?.steps;
}
