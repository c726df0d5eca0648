import { expect, test } from "vitest";
import { JUDGE_CONTEXTS, judgePrompt, judgePromptLengths } from "../../src/shared/prompts.ts";

test.each(JUDGE_CONTEXTS)(
  "the lengths of a judge's questions are those of the questions, with context %s",
  (context) => {
    const steps = ["3 + 4 = 7", "", "So Tom has 7 apples.", "😀"].map((text) => ({ text }));
    const questions = steps.map((_, index) => judgePrompt("Tom has 3 apples.", steps, index, context));
    expect(judgePromptLengths("Tom has 3 apples.", steps, context)).toEqual(questions.map(({ length }) => length));
  },
);
