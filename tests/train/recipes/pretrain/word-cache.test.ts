// The word cache is only faster: its ids are the tokenizer's own.

import { expect, test } from "vitest";
import { judgePrompt } from "../../../../src/shared/prompts.ts";
import { createRng } from "../../../../src/shared/rng.ts";
import { createTokenizer } from "../../../../src/shared/tokenizer.ts";
import { corruptSolution } from "../../../../src/train/data/arithmetic/corrupt.ts";
import { generateSplitProblem } from "../../../../src/train/data/arithmetic/split.ts";
import { vocabularyWords } from "../../../../src/train/data/arithmetic/wording.ts";
import { nanoTokenizer } from "../../../../src/train/recipes/pretrain/nano-tokenizer.ts";
import { withWordCache } from "../../../../src/train/recipes/pretrain/word-cache.ts";

const { tokenizerJson, tokenizerConfig } = nanoTokenizer(vocabularyWords());
const tokenizer = createTokenizer(tokenizerJson, tokenizerConfig);

const texts = Array.from({ length: 60 }, (_, seed) => {
  const rng = createRng(seed);
  const problem = generateSplitProblem(rng, "pretrain");
  const steps = corruptSolution(problem, rng).steps;
  const questions = steps.map((_, index) =>
    judgePrompt(
      problem.prompt,
      steps.map((text) => ({ text })),
      index,
    ),
  );
  return [problem.prompt, problem.steps.join("\n"), ...questions];
}).flat();

test("ids are the tokenizer's own, at first sight and from memory", () => {
  const cached = withWordCache(tokenizer);
  for (const text of ["", "7", "a\nb", "1\n\n2", "yes", ...texts, ...texts]) {
    expect(cached.encode(text)).toEqual(tokenizer.encode(text));
  }
});

test("decoding and the judge's tokens are the tokenizer's", () => {
  const cached = withWordCache(tokenizer);
  expect(cached.decode(cached.encode("a\nb"))).toBe("a\nb");
  expect([cached.yesTokenId, cached.noTokenId, cached.size]).toEqual([
    tokenizer.yesTokenId,
    tokenizer.noTokenId,
    tokenizer.size,
  ]);
});
