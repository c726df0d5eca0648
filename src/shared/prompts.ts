// The texts that models read. Trainer, export and worker use these and write TEMPLATE_VERSION beside what they make:
// a score or a policy is only comparable under the same template.
// The judge prompt holds no newline: stock T5 checkpoints never saw one, so steps are joined by spaces there.

import type { Step } from "./steps.ts";

export const TEMPLATE_VERSION = "stepwise-1";

/** What of the solution the judge sees beside the step itself: question and earlier steps, only the question, or nothing. */
export const JUDGE_CONTEXTS = ["prefix", "prompt", "none"] as const;
export type JudgeContext = (typeof JUDGE_CONTEXTS)[number];

/** The policy reads the prompt as it is written. */
export function policyPrompt(prompt: string): string {
  return prompt;
}

/** The judge's question about step `index` of a solution; it is answered by "yes" or "no" at the first decoder position. */
export function judgePrompt(
  prompt: string,
  steps: readonly Pick<Step, "text">[],
  index: number,
  context: JudgeContext = "prefix",
): string {
  const step = steps[index];
  if (step === undefined) throw new RangeError(`judgePrompt: step ${index} of ${steps.length}`);
  const parts: string[] = [];
  if (context !== "none") parts.push(`Question: ${prompt}`);
  if (context === "prefix") {
    const before = steps.slice(0, index).map((earlier) => earlier.text);
    parts.push(`Reasoning so far: ${before.length === 0 ? "none." : before.join(" ")}`);
  }
  parts.push(`Next step: ${step.text}`, "Is the next step correct? Answer yes or no.");
  return parts.join(" ");
}

/** How long the judge's questions about each step are, counted without making them: all of them together are far longer than the solution. */
export function judgePromptLengths(
  prompt: string,
  steps: readonly Pick<Step, "text">[],
  context: JudgeContext = "prefix",
): number[] {
  const empty = steps.map(() => ({ text: "" }));
  let before = context === "none" ? 0 : prompt.length;
  return steps.map(({ text }, index) => {
    const length = judgePrompt("", empty, index, context).length + before + text.length;
    if (context === "prefix") before += text.length;
    return length;
  });
}

/** P(yes) / (P(yes) + P(no)) from the two logits: the score of a step, in [0, 1]. */
export function yesScore(yesLogit: number, noLogit: number): number {
  return 1 / (1 + Math.exp(noLogit - yesLogit));
}
