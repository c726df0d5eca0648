// What should stand at the numbers of a judge prompt, worked out by hand for each prompt.

import { describe, expect, test } from "vitest";
import { judgePrompt } from "../../../../src/shared/prompts.ts";
import { encoderTargets } from "../../../../src/train/recipes/pretrain/encoder-targets.ts";
import { loadConfig } from "../../../../src/train/store/model-config.ts";
import { loadTokenizer } from "../../../../src/train/store/model-folder.ts";

const DIR = "data/models/stepwise-t5-nano";
const tokenizer = await loadTokenizer(DIR, await loadConfig(DIR));

type Gold = Parameters<typeof encoderTargets>[1];

/** "written>should be" for every target, in order. */
function read(steps: string[], index: number, gold: Gold, answer?: number): string {
  const input = tokenizer.encode(
    judgePrompt(
      "Q?",
      steps.map((text) => ({ text })),
      index,
    ),
  );
  const word = (id: number | undefined): string => tokenizer.decode([id ?? 0]).trim();
  return encoderTargets(input, gold, answer, tokenizer)
    .map(({ position, token }) => `${word(input[position])}>${word(token)}`)
    .join(" ");
}

const equation = (left: number, op: "+" | "-" | "*" | "/", right: number, result: number) => ({
  left,
  op,
  right,
  result,
});

describe("targets", () => {
  test("of a right step are its own tokens, and the tens of its result at the equals sign", () => {
    expect(read(["Mia has 12 + 7 = 19 apples."], 0, [equation(12, "+", 7, 19)])).toBe("1>1 2>2 +>+ 7>7 1>1 9>9 =>1");
  });

  test("of a slip are the digits of the right result", () => {
    expect(read(["Mia has 12 + 7 = 18 apples."], 0, [equation(12, "+", 7, 19)])).toBe("1>1 2>2 +>+ 7>7 1>1 8>9 =>1");
  });

  test("of a wrong operation are the right operation, and the result of what is written", () => {
    expect(read(["Mia has 12 - 7 = 5 apples."], 0, [equation(12, "+", 7, 19)])).toBe("1>1 2>2 ->+ 7>7 5>5 =>0");
  });

  test("of a result that is too short or too long stand at its last digits", () => {
    expect(read(["Mia has 12 + 7 = 9 apples."], 0, [equation(12, "+", 7, 19)])).toContain("9>9 =>1");
    expect(read(["Mia has 9 - 7 = 12 apples."], 0, [equation(9, "-", 7, 2)])).toContain("1>0 2>2 =>0");
  });

  test("of an open result stand at the question mark and the equals sign", () => {
    expect(read(["Mia has 12 + 7 = ? apples."], 0, [equation(12, "+", 7, 19)])).toBe("1>1 2>2 +>+ 7>7 ?>9 =>1");
  });

  test("of a step without gold are its result alone, by its own numbers", () => {
    const steps = ["Mia has 12 + 7 = 18 apples.", "Mia has 18 - 3 = 15 apples."];
    expect(read(steps, 1, [equation(12, "+", 7, 19), undefined])).toBe("1>1 2>2 +>+ 7>7 1>1 8>9 =>1 1>1 5>5 =>1");
  });

  test("of an answer line are the digits of the answer, where it is known", () => {
    expect(read(["Mia has 5 + 2 = 7 apples.", "A: 8"], 1, [equation(5, "+", 2, 7)], 7)).toBe("5>5 +>+ 2>2 7>7 =>0 8>7");
    expect(read(["A: 8"], 0, [])).toBe("");
  });

  test("of a division with remainder have no result", () => {
    expect(read(["Mia has 7 / 2 = 3 apples."], 0, [equation(7, "-", 2, 5)])).toBe("7>7 />- 2>2");
  });
});
