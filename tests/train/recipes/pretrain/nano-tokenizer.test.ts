// The small base model's tokenizer: any text it was made for comes back as it was, newlines and digits included.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { judgePrompt } from "../../../../src/shared/prompts.ts";
import { createRng } from "../../../../src/shared/rng.ts";
import { createTokenizer } from "../../../../src/shared/tokenizer.ts";
import { corruptSolution } from "../../../../src/train/data/arithmetic/corrupt.ts";
import { generateSplitProblem } from "../../../../src/train/data/arithmetic/split.ts";
import { vocabularyWords } from "../../../../src/train/data/arithmetic/wording.ts";
import { nanoTokenizer } from "../../../../src/train/recipes/pretrain/nano-tokenizer.ts";

const { tokenizerJson, tokenizerConfig, size } = nanoTokenizer(vocabularyWords());
const tokenizer = createTokenizer(tokenizerJson, tokenizerConfig);
const roundTrip = (text: string): string => tokenizer.decode(tokenizer.encode(text));

/** Problems with right and wrong solutions, and their judge prompts. */
const texts = Array.from({ length: 40 }, (_, seed) => {
  const rng = createRng(seed);
  const problem = generateSplitProblem(rng, "pretrain");
  const wrong = corruptSolution(problem, rng).steps;
  const steps = wrong.map((text) => ({ text }));
  const last = steps.length - 1;
  return [problem.prompt, problem.steps.join("\n"), wrong.join("\n"), judgePrompt(problem.prompt, steps, last)];
}).flat();

describe("texts come back as they were", () => {
  test("problems, solutions and judge prompts, without an unknown token", () => {
    for (const text of texts) {
      expect(roundTrip(text)).toBe(text);
      expect(tokenizer.encode(text)).not.toContain(2);
    }
  });

  test.each(["a\nb", "3 + 4 = 7\n7 - 2 = 5", "1\n\n2", "12\n345", "x", "1,234.50 $?"])("%j", (text) => {
    expect(roundTrip(text)).toBe(text);
  });

  test("any printable ASCII words, single-spaced, on any lines", () => {
    const word = fc.string({
      unit: fc.integer({ min: 33, max: 126 }).map((code) => String.fromCharCode(code)),
      minLength: 1,
      maxLength: 8,
    });
    const line = fc.array(word, { minLength: 1, maxLength: 5 }).map((words) => words.join(" "));
    const text = fc.array(line, { minLength: 1, maxLength: 4 }).map((lines) => lines.join("\n"));
    fc.assert(
      fc.property(text, (original) => {
        // these three are the special tokens, which decoding drops
        fc.pre(!/<pad>|<\/s>|<unk>/.test(original));
        expect(roundTrip(original)).toBe(original);
      }),
      { numRuns: 100 },
    );
  });
});

describe("ids", () => {
  test("end in EOS, and an empty text is EOS alone", () => {
    expect(tokenizer.encode("7").at(-1)).toBe(1);
    expect(tokenizer.encode("")).toEqual([1]);
  });

  test("of a number are one for each digit, so that 12 and 21 share theirs but for the word's start", () => {
    expect(tokenizer.encode("345")).toHaveLength(4);
    const [, two] = tokenizer.encode("12");
    const [, three] = tokenizer.encode("32");
    expect(two).toBe(three);
  });

  test("of a newline are one", () => {
    const [, newline] = tokenizer.encode("7\n7");
    expect(newline).toBe(3);
  });

  test("of yes and no are one each, and not the same", () => {
    expect(tokenizer.encode("yes")).toEqual([tokenizer.yesTokenId, 1]);
    expect(tokenizer.encode("no")).toEqual([tokenizer.noTokenId, 1]);
    expect(tokenizer.yesTokenId).not.toBe(tokenizer.noTokenId);
  });

  test("of a known word are one piece; of an unknown one its letters", () => {
    expect(tokenizer.encode("Question")).toHaveLength(2);
    expect(tokenizer.encode("qzx")).toHaveLength(5); // "▁", q, z, x, EOS
  });

  test("are all below the size", () => {
    expect(tokenizer.size).toBe(size);
    expect(Math.max(...texts.flatMap((text) => tokenizer.encode(text)))).toBeLessThan(size);
  });
});
