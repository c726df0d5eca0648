// What is right in one solution text: step by step where the symbolic checker knows the right solution, else by the final answer alone.
// A text without steps or without an answer is wrong, never left out.

import { finalAnswer } from "../../shared/final-answer.ts";
import { splitSteps } from "../../shared/steps.ts";
import { checkSolution } from "../data/arithmetic/checker.ts";
import type { EvaluationItem } from "../data/problems/items.ts";

export interface CheckedText {
  text: string;
  /** `right` is null where no checker knows. */
  steps: { text: string; right: boolean | null; reason: string | null }[];
  /** All steps right and the answer; only the answer where there is no checker; null when neither is known. */
  exact: boolean | null;
  answerCorrect: boolean | null;
  /** The final answer, normalised; undefined when the text states none. */
  answer: string | undefined;
}

/** Whether every step can be checked. */
export function hasChecker(item: EvaluationItem): item is EvaluationItem & { gold: string } {
  return item.gold !== null;
}

/** Judges a solution of the item's problem. */
export function checkText(item: EvaluationItem, text: string): CheckedText {
  if (hasChecker(item)) {
    const checked = checkSolution(item.gold, text);
    return {
      text,
      steps: checked.steps.map((step) => ({ text: step.text, right: step.valid, reason: step.reason ?? null })),
      exact: checked.exact,
      answerCorrect: checked.answerCorrect,
      answer: checked.answer === undefined ? undefined : String(checked.answer),
    };
  }
  const answer = finalAnswer(text);
  const answerCorrect = item.answer === null ? null : answer === item.answer;
  const steps = splitSteps(text).map((step) => ({ text: step.text, right: null, reason: null }));
  return { text, steps, exact: answerCorrect, answerCorrect, answer };
}
