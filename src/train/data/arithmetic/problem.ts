// What a word problem is: a prompt, and a solution whose every step is one equation with known sources of its operands.

export const OPERATORS = ["+", "-", "*", "/"] as const;
export type Operator = (typeof OPERATORS)[number];

/** `left op right = result`, all whole numbers. */
export interface Equation {
  left: number;
  op: Operator;
  right: number;
  result: number;
}

/** Source of an operand that stands in the question, not in an earlier step. */
export const FROM_QUESTION = -1;

/**
 * A step with its wording and provenance. `leftFrom` and `rightFrom` are indices of the earlier steps whose results these operands are,
 * or FROM_QUESTION. `left` is always the quantity that the step changes, `right` what it is changed by.
 */
export interface StepEquation extends Equation {
  leftFrom: number;
  rightFrom: number;
  /** Words before the equation, "Mia has". */
  before: string;
  /** Words after it, "apples". */
  after: string;
}

export interface ArithmeticProblem {
  prompt: string;
  /** Solution lines in order; the last is `A: <answer>`. */
  steps: string[];
  answer: number;
  /** One per line but the last. */
  equations: StepEquation[];
}

/** The result when it is a whole number, else undefined (a division with remainder or by zero). */
export function applyOperator(left: number, op: Operator, right: number): number | undefined {
  switch (op) {
    case "+":
      return left + right;
    case "-":
      return left - right;
    case "*":
      return left * right;
    case "/":
      return right !== 0 && left % right === 0 ? left / right : undefined;
  }
}

/** Text that is the same for a + b and b + a, and for a * b and b * a. */
export function equationKey({ left, op, right, result }: Equation): string {
  const swap = (op === "+" || op === "*") && left > right;
  return swap ? `${right}${op}${left}=${result}` : `${left}${op}${right}=${result}`;
}

/** "Mia has 12 + 7 = 19 apples." */
export function stepLine(step: Pick<StepEquation, "left" | "op" | "right" | "result" | "before" | "after">): string {
  return `${step.before} ${step.left} ${step.op} ${step.right} = ${step.result} ${step.after}.`;
}

/** "A: 19" */
export function answerLine(answer: number): string {
  return `A: ${answer}`;
}
