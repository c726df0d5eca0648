// The mistakes a solver may make at one step: a wrong operation, a slip in the result, a wrong number, the step forgotten or done twice.

import { type ArithmeticProblem, type Equation, FROM_QUESTION, OPERATORS } from "./problem.ts";

export const MISTAKE_KINDS = [
  "wrong_operation",
  "arithmetic_slip",
  "wrong_number",
  "dropped_step",
  "repeated_step",
] as const;
export type MistakeKind = (typeof MISTAKE_KINDS)[number];

export type Mistake =
  | { kind: "dropped_step" }
  | { kind: "repeated_step" }
  | { kind: "arithmetic_slip"; result: number }
  | { kind: "wrong_operation" | "wrong_number"; change: Partial<Equation> };

/** All mistakes of one kind that could be made at step `index`; some may lead to numbers out of range. */
export function mistakesAt(problem: ArithmeticProblem, index: number, kind: MistakeKind): Mistake[] {
  const step = problem.equations[index];
  if (step === undefined) return [];
  switch (kind) {
    case "dropped_step":
      return [{ kind }];
    case "repeated_step":
      return [{ kind }];
    case "wrong_operation":
      return OPERATORS.filter((op) => op !== step.op).map((op) => ({ kind, change: { op } }));
    case "arithmetic_slip":
      return slipsOf(step).map((result) => ({ kind, result }));
    case "wrong_number": {
      const given = numbersGiven(problem);
      const before = problem.equations.slice(0, index).map(({ result }) => result);
      const forLeft = step.leftFrom === FROM_QUESTION ? misreadings(step.left, given) : [...before, ...given];
      const forRight = step.rightFrom === FROM_QUESTION ? misreadings(step.right, given) : [...before, ...given];
      return [
        ...forLeft.filter((left) => left !== step.left).map((left): Mistake => ({ kind, change: { left } })),
        ...forRight.filter((right) => right !== step.right).map((right): Mistake => ({ kind, change: { right } })),
      ];
    }
  }
}

/** Results a little beside the right one: a unit or a ten off, or the neighbour in the times table. */
function slipsOf({ left, op, right, result }: Equation): number[] {
  const offsets = op === "*" ? [1, 10, left, right] : [1, 2, 10];
  return [...new Set(offsets.flatMap((offset) => [result - offset, result + offset]))];
}

/** Numbers of the question that the solution uses. */
function numbersGiven({ equations }: ArithmeticProblem): number[] {
  return equations.flatMap((step) => [
    ...(step.leftFrom === FROM_QUESTION ? [step.left] : []),
    ...(step.rightFrom === FROM_QUESTION ? [step.right] : []),
  ]);
}

/** What a number may be mistaken for: another number of the question, a neighbour, its digits swapped. */
function misreadings(number: number, given: readonly number[]): number[] {
  const swapped = number >= 10 ? (number % 10) * 10 + Math.floor(number / 10) : number;
  return [...given, number - 1, number + 1, swapped].filter((other) => other >= 2 && other <= 99);
}
