// What is right in a sample, as far as its problem lets it be known: every step where there is a worked solution, else the answer alone.

import { finalAnswer } from "../../../shared/final-answer.ts";
import { splitSteps } from "../../../shared/steps.ts";
import { checkSolution } from "../../data/arithmetic/checker.ts";
import type { RolloutProblem, RolloutSample } from "./rollout.ts";

/** Steps of a text, one a line, without blank lines or stray spaces. */
export function normaliseSteps(text: string): string {
  return splitSteps(text)
    .map((step) => step.text)
    .join("\n");
}

/** Labels and outcome; empty where nothing is known of the right solution. */
export function checkSample(
  problem: RolloutProblem,
  completion: string,
): Pick<RolloutSample, "step_labels" | "exact" | "answer_correct"> {
  if (problem.gold !== undefined) {
    const { steps, exact, answerCorrect } = checkSolution(problem.gold, completion);
    return { step_labels: steps.map((step) => step.valid), exact, answer_correct: answerCorrect };
  }
  if (problem.answer === undefined) return {};
  return { answer_correct: finalAnswer(completion) === problem.answer };
}
