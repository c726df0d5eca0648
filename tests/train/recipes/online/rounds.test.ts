// What a round draws, and when a run may go on.

import { expect, test } from "vitest";
import { splitSteps } from "../../../../src/shared/steps.ts";
import { problemSplit } from "../../../../src/train/data/arithmetic/split.ts";
import { maySample, spentOn } from "../../../../src/train/recipes/online/budget.ts";
import { curriculumChances, difficultyOf, problemsOfRound } from "../../../../src/train/recipes/online/problems.ts";
import {
  type GivenOnlineSettings,
  onlineSettingsFromJson,
  resolveOnlineSettings,
} from "../../../../src/train/recipes/online/settings.ts";
import { rollout, sample } from "../rollout/samples.ts";

const settings = (given: GivenOnlineSettings = {}) =>
  resolveOnlineSettings(given, { lossType: "sft", hasRewardModel: false });
const stepsOf = (gold = ""): number => splitSteps(gold).length - 1;

test("each round draws other problems of the preference split, the same ones every time", async () => {
  const draw = (round: number) => problemsOfRound(settings({ problems: 20 }), 7, round, {});
  const [first, again, second] = [await draw(0), await draw(0), await draw(1)];
  expect(again).toEqual(first);
  const shared = second.filter(({ prompt }) => first.some((one) => one.prompt === prompt));
  expect(shared).toEqual([]);
  for (const { prompt } of [...first, ...second]) expect(problemSplit(prompt)).toBe("preference");
});

test("problems have as many steps as asked for", async () => {
  const range = { problems: 30, problemMinSteps: 5, problemMaxSteps: 6 };
  const counts = (await problemsOfRound(settings(range), 1, 0, {})).map(({ gold }) => stepsOf(gold));
  expect(new Set(counts)).toEqual(new Set([5, 6]));
});

test("problems grow by the rise each round, and never beyond the longest", async () => {
  const rising = { rounds: 3, problems: 12, problemMinSteps: 5, problemMaxSteps: 6, problemStepsRise: 2 };
  const third = await problemsOfRound(settings(rising), 1, 2, {});
  expect(new Set(third.map(({ gold }) => stepsOf(gold)))).toEqual(new Set([9, 10]));
  expect(() => settings({ ...rising, rounds: 4, problemMaxSteps: 7 })).toThrow(/problems of more than 12 steps/);
});

test("the curriculum asks most where half of the samples are right, and never forgets the rest", () => {
  // p (1 - p): 0.09, 0.25, 0.05 in place of 0.01 and of 0
  const chances = curriculumChances({ 2: 0.9, 3: 0.5, 4: 0.99, 5: 0 }, 2, 5);
  [0.09, 0.25, 0.05, 0.05].forEach((weight, i) => {
    expect(chances[i]).toBeCloseTo(weight / 0.44, 9);
  });
});

test("a curriculum draws few problems of the kinds that are solved", async () => {
  const difficulty = { 2: 1, 3: 1, 4: 1, 5: 0.5, 6: 1 };
  const drawn = await problemsOfRound(settings({ problems: 60, curriculum: true }), 3, 1, difficulty);
  const five = drawn.filter(({ gold }) => stepsOf(gold) === 5).length;
  expect(five).toBeGreaterThan(20); // 0.25 of 0.45
});

test("difficulty is the share of right samples by the worked solution's steps", () => {
  const gold = (steps: number): string => [...Array<string>(steps).fill("s"), "A: 1"].join("\n");
  const right = sample("a", "+");
  const wrong = sample("b", "-");
  expect(
    difficultyOf([
      rollout([right, wrong], { gold: gold(2) }),
      rollout([right, right], { gold: gold(2) }),
      rollout([wrong], { gold: gold(5) }),
    ]),
  ).toEqual({ 2: 0.75, 5: 0 });
});

test("samples and tokens count what was dropped too", () => {
  const one = rollout([sample("a", "+"), sample("b", "-")], { extra_tokens: 7 });
  expect(spentOn([one, one])).toEqual({ samples: 4, tokens: 50 }); // 4 * 9 + 2 * 7
});

test("each round may use its even share of the budget, what earlier ones left over too", () => {
  const budget = { rounds: 2, budgetSamples: null, budgetTokens: 100, budgetMinutes: null };
  const used = (tokens: number) => ({ samples: 0, tokens, seconds: 0 });
  expect(maySample(budget, used(49), 0)).toBe(true);
  expect(maySample(budget, used(50), 0)).toBe(false);
  expect(maySample(budget, used(99), 1)).toBe(true);
  expect(maySample(budget, used(100), 1)).toBe(false);
  const minutes = { ...budget, budgetTokens: null, budgetMinutes: 2 };
  expect(maySample(minutes, { samples: 0, tokens: 0, seconds: 119 }, 0)).toBe(true);
  expect(maySample(minutes, { samples: 0, tokens: 0, seconds: 120 }, 0)).toBe(false);
});

test("a loss says what it learns from, and what does not go together is refused with the way out", () => {
  const of = (given: GivenOnlineSettings, lossType: "sft" | "grpo" | "stepwise" | "sigmoid" | "full_step" = "sft") =>
    resolveOnlineSettings(given, { lossType, hasRewardModel: false });
  expect(of({}).learnFrom).toBe("right");
  expect(of({}, "grpo").learnFrom).toBe("group");
  expect(of({}, "stepwise")).toMatchObject({ learnFrom: "step", scorer: "checker" });
  expect(() => of({ learnFrom: "group" }, "sigmoid")).toThrow(
    /loss_type sigmoid cannot learn from "group".*--learn-from/s,
  );
  expect(() => of({ reference: "fixed" }, "grpo")).toThrow(/--reference round/);
  expect(() => of({ scorer: "judge" })).toThrow(/Name one with --reward-model/);
  expect(() => of({ samples: 1 })).toThrow(/--samples/);
  expect(() => of({ problemMinSteps: 7 })).toThrow(/more than --problem-max-steps/);
  expect(() => onlineSettingsFromJson({ sampels: 4 }, "plan")).toThrow(/unknown online setting "sampels"/);
});
