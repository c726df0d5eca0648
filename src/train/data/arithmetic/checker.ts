// Judges any solution text against the right solution of the same problem, step by step, from the text alone.
// A step is right iff its one equation holds, is one of the right solution's, was not written before, and the steps it builds on
// were: an operand that equals an earlier result in the right solution comes from there. It must not say of one person what is true of
// another: the built-in problems' names are read. All other words are ignored, and so is their absence: "Mia has 12 + 7 = 19 apples",
// "so 12 + 7 = 19 pears" and "12 + 7 = 19" are the same step.

import { InputError } from "../../../shared/errors.ts";
import { splitSteps } from "../../../shared/steps.ts";
import { applyOperator, type Equation, equationKey, OPERATORS, type Operator } from "./problem.ts";
import { BOYS, GIRLS } from "./wording.ts";

export interface CheckedStep {
  text: string;
  valid: boolean;
  /** Why it is not valid. */
  reason?: string;
}

export interface CheckedSolution {
  steps: CheckedStep[];
  /** Index of the first step that is not valid; -1 when all are (the solution may still be unfinished). */
  firstWrong: number;
  /** The number of the first answer line. */
  answer: number | undefined;
  answerCorrect: boolean;
  /** All steps valid, none missing, the answer right. */
  exact: boolean;
}

interface GoldStep {
  key: string;
  /** Built-in names in its line. */
  persons: ReadonlySet<string>;
  /** Indices of the gold steps whose results are its operands. */
  needs: number[];
}

const ANSWER = /^A\s*:\s*(\d{1,9})\.?$/;
/** One equation and no other number or operator in the line. */
const STEP = /^[^\d+*/=]*(?<![-.,\d])\b(\d{1,9})\s*([-+*/])\s*(\d{1,9})\s*=\s*(\d{1,9})(?![.,]?\d)[^\d+*/=]*$/;

const PERSONS: ReadonlySet<string> = new Set([...GIRLS, ...BOYS]);

function personsIn(line: string): string[] {
  return (line.match(/[A-Za-z]+/g) ?? []).filter((word) => PERSONS.has(word));
}

function isOperator(text: string | undefined): text is Operator {
  return OPERATORS.some((op) => op === text);
}

/** The equation of a step line; undefined when there is none, or more than one. */
export function parseEquation(line: string): Equation | undefined {
  const match = STEP.exec(line);
  const op = match?.[2];
  if (match === null || !isOperator(op)) return undefined;
  return { left: Number(match[1]), op, right: Number(match[3]), result: Number(match[4]) };
}

function parseGold(text: string): { steps: GoldStep[]; answer: number } {
  const lines = splitSteps(text).map((step) => step.text);
  const answer = ANSWER.exec(lines.at(-1) ?? "")?.[1];
  const results: number[] = [];
  const steps = lines.slice(0, -1).map((line): GoldStep => {
    const equation = parseEquation(line);
    if (equation === undefined || applyOperator(equation.left, equation.op, equation.right) !== equation.result) {
      throw badGold(`the line "${line}" is not one equation that holds`);
    }
    const needs = [equation.left, equation.right].map((operand) => results.lastIndexOf(operand)).filter((i) => i >= 0);
    results.push(equation.result);
    return { key: equationKey(equation), persons: new Set(personsIn(line)), needs };
  });
  if (answer === undefined || steps.length === 0) throw badGold('no steps, or no last line "A: <number>"');
  return { steps, answer: Number(answer) };
}

function badGold(what: string): InputError {
  const fix = 'Give the right solution as lines with one equation each, and "A: <number>" at the end.';
  return new InputError({ code: "bad_gold_solution", what, where: "right solution", fix });
}

/**
 * Checks every line of `solution` and its answer. Steps that do not build on each other may come in either order; a + b and b + a are
 * the same, and so with `*`. Any text is judged; only a `gold` that is no solution throws (InputError).
 */
export function checkSolution(gold: string, solution: string): CheckedSolution {
  const { steps: goldSteps, answer: goldAnswer } = parseGold(gold);
  const done = goldSteps.map(() => false);
  let answer: number | undefined;

  const fault = (text: string): string | undefined => {
    if (answer !== undefined) return "after the answer";
    const stated = ANSWER.exec(text)?.[1];
    if (stated !== undefined) {
      answer = Number(stated);
      if (answer !== goldAnswer) return "wrong answer";
      return done.every(Boolean) ? undefined : "steps are missing before the answer";
    }
    const equation = parseEquation(text);
    if (equation === undefined) return "not one equation";
    if (applyOperator(equation.left, equation.op, equation.right) !== equation.result)
      return "the equation does not hold";
    const key = equationKey(equation);
    const same = goldSteps.map((_, i) => i).filter((i) => goldSteps[i]?.key === key);
    if (same.length === 0) return "not a step of this problem";
    const left = same.filter((i) => !done[i]);
    if (left.length === 0) return "repeats an earlier step";
    const persons = personsIn(text);
    const open = left.filter((i) => persons.every((person) => goldSteps[i]?.persons.has(person)));
    if (open.length === 0) return "says it of another person";
    const next = open.find((i) => goldSteps[i]?.needs.every((need) => done[need]));
    if (next === undefined) return "builds on a step that is missing";
    done[next] = true;
    return undefined;
  };

  const steps = splitSteps(solution).map(({ text }): CheckedStep => {
    const reason = fault(text);
    return reason === undefined ? { text, valid: true } : { text, valid: false, reason };
  });
  const firstWrong = steps.findIndex((step) => !step.valid);
  return {
    steps,
    firstWrong,
    answer,
    answerCorrect: answer === goldAnswer,
    exact: firstWrong < 0 && answer === goldAnswer,
  };
}

/** One label per line of `solution`: true iff the checker finds it right. */
export function labelsOf(gold: string, solution: string): boolean[] {
  return checkSolution(gold, solution).steps.map((step) => step.valid);
}
