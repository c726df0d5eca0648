// Which samples become pairs, and why others do not: followed by hand on samples of one to three steps.

import { describe, expect, test } from "vitest";
import { mergePairs, pairsOfKind } from "../../../../src/train/recipes/rollout/pair-kinds.ts";
import { pairsFromRollouts } from "../../../../src/train/recipes/rollout/pairs.ts";
import { stepPairsFromRollouts } from "../../../../src/train/recipes/rollout/step-pairs.ts";
import { rollout, sample } from "./samples.ts";

const best = { kind: "best-worst", maxPairs: 4, requireRight: false } as const;
const rightWrong = { kind: "right-wrong", maxPairs: 4, requireRight: false } as const;

describe("best against worst", () => {
  test("takes the highest and the lowest score, and keeps both", () => {
    const made = pairsFromRollouts([rollout([sample("a|b", "+-"), sample("c|d", "++"), sample("e|f", "--")])], best);
    expect(made.pairs).toEqual([
      {
        prompt: "How many?",
        chosen: "c\nd",
        rejected: "e\nf",
        chosen_score: 1,
        rejected_score: 0,
        chosen_step_scores: [1, 1],
        rejected_step_scores: [0, 0],
        chosen_labels: [true, true],
        rejected_labels: [false, false],
      },
    ]);
    expect(made.without).toEqual({});
  });

  test("prefers the right one of equal scores", () => {
    const [wrong, right] = [sample("a", "+", { exact: false }), sample("b", "+")];
    const made = pairsFromRollouts([rollout([wrong, right, sample("c", "-")])], best);
    expect(made.pairs[0]?.chosen).toBe("b");
  });

  test("never chooses a solution that was cut, but may reject one", () => {
    const cut = sample("a|a", "++", { finished: false });
    const made = pairsFromRollouts(
      [rollout([cut, sample("b|c", "+-"), sample("d|d", "--", { finished: false })])],
      best,
    );
    expect(made.pairs.map(({ chosen, rejected }) => [chosen, rejected])).toEqual([["b\nc", "d\nd"]]);
  });

  test.each([
    ["all samples are the same text", [sample("a", "+"), sample("a", "+")]],
    ["all scores are the same", [sample("a", "+"), sample("b", "+")]],
    ["no sample has a step", [sample("", ""), sample("", "")]],
    ["no sample has ended by itself", [sample("a", "+", { finished: false }), sample("b", "-", { finished: false })]],
  ])("counts a problem where %s", (reason, samples) => {
    expect(pairsFromRollouts([rollout(samples)], best)).toEqual({ pairs: [], without: { [reason]: 1 } });
  });

  test("wants a right and a wrong side where asked to", () => {
    const strict = { ...best, requireRight: true };
    const noneRight = rollout([sample("a|b", "+-"), sample("c|d", "--")]);
    const noneWrong = rollout([sample("a", "+", { score: 0.9 }), sample("b", "+", { score: 0.5 })]);
    expect(pairsFromRollouts([noneRight, noneWrong], strict).without).toEqual({
      "the best sample is wrong": 1,
      "the worst sample is right": 1,
    });
    expect(pairsFromRollouts([noneRight, noneWrong], best).pairs).toHaveLength(2);
  });
});

describe("right against wrong", () => {
  test("lets every text meet another before it comes again, the most frequent first", () => {
    const samples = [sample("r1", "+"), sample("w1", "-"), sample("r2", "+"), sample("w2", "-"), sample("w2", "-")];
    const pairs = (maxPairs: number): string[] =>
      pairsFromRollouts([rollout(samples)], { ...rightWrong, maxPairs }).pairs.map(
        ({ chosen, rejected }) => `${chosen} > ${rejected}`,
      );
    expect(pairs(2)).toEqual(["r1 > w2", "r2 > w1"]);
    expect(pairs(9)).toEqual(["r1 > w2", "r2 > w1", "r1 > w1", "r2 > w2"]);
  });

  test.each([
    ["no sample is right", [sample("a", "-"), sample("b", "-")]],
    ["no sample is wrong", [sample("a", "+"), sample("b", "+")]],
    ["no sample has a step", [sample("", "")]],
    ["the answer is not known", [{ completion: "a", step_scores: [0.5], score: 0.5, finished: true, tokens: 2 }]],
  ])("counts a problem where %s", (reason, samples) => {
    expect(pairsFromRollouts([rollout(samples)], rightWrong)).toEqual({ pairs: [], without: { [reason]: 1 } });
  });
});

describe("step against step", () => {
  const made = (...samples: Parameters<typeof sample>[]) =>
    stepPairsFromRollouts([rollout(samples.map((one) => sample(...one)))], { maxPairs: 4 });

  test("shares the right start and differs at the first wrong step", () => {
    expect(made(["a|b|x|y", "++--"], ["a|b|c|d", "++++"]).pairs).toEqual([
      {
        prompt: "How many?",
        prefix: "a\nb",
        unfinished: true,
        chosen: "c",
        rejected: "x",
        chosen_score: 1,
        rejected_score: 0,
        chosen_step_scores: [1],
        rejected_step_scores: [0],
      },
    ]);
  });

  test("has no prefix where the first step is wrong", () => {
    expect(made(["x|b", "--"], ["a|b", "++"]).pairs[0]).not.toHaveProperty("prefix");
  });

  test("takes the right step from a solution that is right as a whole, where there is one", () => {
    expect(made(["a|x", "+-"], ["a|b|z", "++-"], ["a|c|d", "+++"]).pairs[0]?.chosen).toBe("c");
  });

  test("takes no step of another start, no wrong one, and not the last of a solution that was cut", () => {
    const cut = sample("a|b", "++", { finished: false, exact: false });
    const others = [sample("a|x", "+-"), sample("q|b", "++"), sample("a|y", "+-"), cut];
    expect(stepPairsFromRollouts([rollout(others)], { maxPairs: 4 })).toEqual({
      pairs: [],
      without: { "no right step is known after the same start": 1 },
    });
  });

  test("takes a branch where no sample helps", () => {
    const branches = [
      { prefix: "a", step: "z", right: false, score: 0.2 },
      { prefix: "a", step: "b", right: true, score: 0.75 },
    ];
    const { pairs } = stepPairsFromRollouts([rollout([sample("a|x", "+-")], { branches })], { maxPairs: 4 });
    expect(pairs).toMatchObject([{ prefix: "a", chosen: "b", rejected: "x", chosen_score: 0.75 }]);
  });

  test("makes one pair a mistake, those made most often first, up to the cap", () => {
    const samples = [
      ["a|x", "+-"],
      ["a|y", "+-"],
      ["a|y", "+-"],
      ["a|b", "++"],
    ] as const;
    const rolled = rollout(samples.map(([steps, labels]) => sample(steps, labels)));
    const rejected = (maxPairs: number) => stepPairsFromRollouts([rolled], { maxPairs }).pairs.map((p) => p.rejected);
    expect(rejected(4)).toEqual(["y", "x"]);
    expect(rejected(1)).toEqual(["y"]);
  });

  test("goes by scores where no checker has labelled: from 0.5 on a step is right", () => {
    const judged = (steps: string, ...step_scores: number[]) => {
      const { step_labels: _, exact: _e, answer_correct: _a, ...rest } = sample(steps, "");
      return { ...rest, step_scores };
    };
    const { pairs } = stepPairsFromRollouts([rollout([judged("a|x", 0.9, 0.4), judged("a|b", 0.9, 0.5)])], {
      maxPairs: 1,
    });
    expect(pairs).toMatchObject([{ prefix: "a", chosen: "b", rejected: "x", chosen_score: 0.5, rejected_score: 0.4 }]);
  });
});

test("a pair that two kinds make stands once", () => {
  const rolled = [rollout([sample("a", "+"), sample("b", "-")])];
  const options = { maxPairsPerProblem: 4, requireRight: false };
  const kinds = (["best-worst", "right-wrong", "step"] as const).map((kind) => pairsOfKind(rolled, kind, options));
  expect(kinds.map(({ pairs }) => pairs.length)).toEqual([1, 1, 1]);
  expect(mergePairs(kinds.slice(0, 2))).toHaveLength(1);
});
