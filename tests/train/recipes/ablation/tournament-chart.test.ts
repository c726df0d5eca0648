// The picture of a tournament: its points are the means of the seeds, drawn to scale.

import { expect, test } from "vitest";
import type { MethodOutcome } from "../../../../src/train/recipes/ablation/tournament-cell.ts";
import { methodCurve, tournamentChart } from "../../../../src/train/recipes/ablation/tournament-chart.ts";

const outcome = (curve: MethodOutcome["curve"]): MethodOutcome => ({
  key: "",
  seed: 1,
  samples: 0,
  tokens: 0,
  steps: 0,
  sample_seconds: 0,
  update_seconds: 0,
  rounds: [],
  curve,
  figures: {},
});
const method = {
  name: "guided",
  what: "",
  outcomes: [
    outcome([
      { tokens: 0, exact: { hard: 0.1 } },
      { tokens: 900, exact: { hard: 0.4 } },
      { tokens: 2000, exact: { hard: 0.5 } },
    ]),
    outcome([
      { tokens: 0, exact: { hard: 0.1 } },
      { tokens: 1100, exact: { hard: 0.2 } },
    ]),
  ],
};

test("a point is the mean of the seeds; a round that one of them has not is left out", () => {
  const [start, first, ...rest] = methodCurve(method, "hard");
  expect(start).toEqual({ tokens: 0, mean: 0.1, low: 0.1, high: 0.1 });
  expect(first?.tokens).toBe(1000);
  expect(first?.mean).toBeCloseTo(0.3, 12);
  expect([first?.low, first?.high]).toEqual([0.2, 0.4]);
  expect(rest).toEqual([]);
});

test("points stand to scale: 300 wide for 1,000 tokens, 250 high from 10 to 40 %", () => {
  const svg = tournamentChart(["hard"], [method]) ?? "";
  const dots = [...svg.matchAll(/<circle cx="([\d.]+)" cy="([\d.]+)"/g)].map(([, x, y]) => [Number(x), Number(y)]);
  // 30 % lies two thirds up: 250 / 3 from above
  expect(dots).toEqual([
    [0, 250],
    [300, 83.3],
  ]);
  expect(svg).toContain(">guided</text>");
});

test("beside methods with several seeds, one with a single seed is left out of the picture", () => {
  const lone = { ...method, name: "lone", outcomes: method.outcomes.slice(0, 1) };
  expect(tournamentChart(["hard"], [method, lone])).not.toContain(">lone</text>");
  expect(tournamentChart(["hard"], [lone])).toContain(">lone</text>");
});

test("without curves there is no picture", () => {
  expect(tournamentChart(["hard"], [{ ...method, outcomes: [outcome([])] }])).toBeUndefined();
});
