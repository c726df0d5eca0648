// The small parts of the report, with numbers derived by hand.

import { expect, test } from "vitest";
import { roundRange } from "../../../../src/train/evaluate/report/charts/axes.ts";
import { binShares, outlineOf } from "../../../../src/train/evaluate/report/charts/histogram-chart.ts";
import { distinctSolutions } from "../../../../src/train/evaluate/report/distinct-solutions.ts";
import { excludesZero, formatChange, formatCount, formatDecimal, formatInterval, formatPercent, formatRange } from "../../../../src/train/evaluate/report/format.ts"; // biome-ignore format: one import
import { escapeHtml, html } from "../../../../src/train/evaluate/report/html.ts";
import { metricName } from "../../../../src/train/evaluate/report/metric-names.ts";
import { bestAggregation } from "../../../../src/train/evaluate/report/sections/best-of-n.ts";
import { failureShares } from "../../../../src/train/evaluate/report/sections/first-wrong-step.ts";
import { curveOf, thinOut } from "../../../../src/train/evaluate/report/sections/training.ts";
import { scoreLook } from "../../../../src/train/evaluate/report/step-score.ts";
import { STYLE } from "../../../../src/train/evaluate/report/style.ts";
import type { BestOfCurve, SampleSolution } from "../../../../src/train/evaluate/result.ts";

test("templates escape text once, keep markup, join lists and leave out undefined", () => {
  const list = ["<", html`<b>${"&"}</b>`, undefined, 3];
  expect(html`<p title="${`"'`}">${list}</p>`.text).toBe('<p title="&quot;&#39;">&lt;<b>&amp;</b>3</p>');
});

test("characters that no document may hold are replaced, and other scripts are not", () => {
  expect(escapeHtml("a\u0000b\ud800c\u007f\n")).toBe("a\ufffdb\ufffdc\ufffd\n");
  expect(escapeHtml("žluť 数学 🙂")).toBe("žluť 数学 🙂");
});

test("numbers are written for people", () => {
  expect([0, 0.6239, 1, -0.001].map((share) => formatPercent(share))).toEqual(["0.0%", "62.4%", "100.0%", "−0.1%"]);
  expect(formatPercent(-0.0001)).toBe("0.0%");
  expect([1234567, -12345, 0.4].map(formatCount)).toEqual(["1,234,567", "−12,345", "0"]);
  expect([0, 2.5, 1234.5, 0.012345, -0.5, 0.00000123, Number.NaN].map(formatDecimal)).toEqual(["0", "2.5", "1,235", "0.0123", "−0.5", "1.2e−6", "–"]); // biome-ignore format: one list
});

test("differences carry their sign, shares in points, and nothing has none", () => {
  expect([0.143, -0.02, 0.0001].map((value) => formatChange(value, "share"))).toEqual(["+14.3 points", "−2.0 points", "0.0 points"]); // biome-ignore format: one list
  expect([5.3, -0.5, 0].map((value) => formatChange(value, "number"))).toEqual(["+5.3", "−0.5", "0"]);
  const interval = { value: 0.1, low: -0.01, high: 0.21 };
  expect(formatInterval(interval, "share")).toBe("−1.0% to 21.0%");
  expect(formatRange(interval, "share")).toBe("−1.0 to +21.0");
});

test("an interval that touches zero does not exclude it", () => {
  expect([[0.1, 0.2], [-0.2, -0.1], [0, 0.1], [-0.1, 0.1]].map(([low = 0, high = 0]) => excludesZero({ value: 0, low, high }))).toEqual([true, true, false, false]); // biome-ignore format: one list
});

test("axes end at round numbers outside the data", () => {
  expect(roundRange(-15, 30)).toEqual({ min: -20, max: 30, interval: 10 }); // 45 / 6 = 7.5
  expect(roundRange(-0.4, 1)).toEqual({ min: -0.5, max: 1, interval: 0.25 }); // 1.4 / 6 = 0.233
  expect(roundRange(0, 6)).toEqual({ min: 0, max: 6, interval: 1 });
  expect(roundRange(2, 2)).toEqual({ min: 1.4, max: 2.6, interval: 0.2 }); // 1.5 to 2.5
  expect(roundRange(Infinity, -Infinity)).toEqual({ min: 0, max: 1, interval: 0.25 });
});

test("histograms are drawn as shares, from zero to zero", () => {
  expect(binShares({ edges: [0, 1, 2], counts: [1, 3] })).toEqual([0.25, 0.75]);
  expect(binShares({ edges: [0, 1], counts: [0] })).toEqual([0]);
  expect(outlineOf({ edges: [0, 1, 2], counts: [1, 3] })).toEqual([[0, 0], [0, 0.25], [1, 0.25], [1, 0.75], [2, 0.75], [2, 0]]); // biome-ignore format: one list
});

test("first wrong steps beyond the last bar are added to it", () => {
  expect(failureShares({ counts: [2, 1, 1, 1], none: 4, empty: 1 }, 3)).toEqual({
    shares: [0.2, 0.1, 0.2],
    none: 0.4,
    empty: 0.1,
  });
});

test("the aggregation shown is the one whose best-scored sample is right most often at the end", () => {
  const at = (value: number) => ({ value, low: value, high: value });
  const curve = (
    aggregation: BestOfCurve["aggregation"],
    method: BestOfCurve["method"],
    ends: number[],
  ): BestOfCurve => ({
    measure: "answer",
    method,
    aggregation,
    points: ends.map((end, i) => ({ n: 2 ** i, ...at(end), over_greedy: at(0), over_majority: at(0) })),
  });
  const curves = [
    curve("mean", "naive", [0.9, 0.5]),
    curve("min", "naive", [0.1, 0.6]),
    curve("last", "weighted", [1, 1]),
  ];
  expect(bestAggregation(curves)).toBe("min");
  expect(bestAggregation([curve(null, "majority", [0.5])])).toBe(null);
});

test("a curve holds the entries that have the metric; thinning keeps means and passes over nulls", () => {
  const logHistory = [{ step: 1, loss: 4 }, { step: 1, eval_loss: 9 }, { step: 2, loss: null }, { step: 3, loss: 2 }, { step: 4, loss: 1 }]; // biome-ignore format: one list
  const points = curveOf({ name: "run", logHistory }, "loss");
  expect(points).toEqual([{ x: 1, y: 4 }, { x: 2, y: null }, { x: 3, y: 2 }, { x: 4, y: 1 }]); // biome-ignore format: one list
  expect(thinOut(points, 2)).toEqual([{ x: 1.5, y: 4 }, { x: 3.5, y: 1.5 }]); // biome-ignore format: one list
  expect(thinOut(points, 4)).toEqual(points);
});

test("a step's colour is as strong as its score is far from one half", () => {
  expect(scoreLook(1)).toEqual({ tone: "hi", style: "--p:100%" });
  expect(scoreLook(0.25)).toEqual({ tone: "lo", style: "--p:50%" });
  expect(scoreLook(0.5)).toEqual({ tone: "hi", style: "--p:0%" });
  expect(scoreLook(null)).toEqual({ tone: "none", style: "" });
});

test("solutions with the same text are shown once, with all who wrote them", () => {
  const by = (
    source: SampleSolution["source"],
    decoding: SampleSolution["decoding"],
    text: string,
  ): SampleSolution => ({
    ...{ source, decoding, text, steps: [], score: null, exact: null, answer_correct: null },
  });
  const solutions = [
    by("gold", null, "a"),
    by("baseline", "greedy", "b"),
    by("model", "greedy", "a"),
    by("baseline", "sampled", "a"),
    by("model", "sampled", "c"),
    by("baseline", "sampled", "a"),
  ];
  expect(distinctSolutions(solutions, true).map(({ writers, short }) => [writers, short])).toEqual([
    ["given, after, 2 samples before", "given, after +2"],
    ["before", "before"],
    ["1 sample after", "1 sample"],
  ]);
  const one = distinctSolutions([by("model", "greedy", "a"), by("model", "sampled", "a")], false);
  expect(one.map(({ writers, short }) => [writers, short])).toEqual([["model, 1 sample", "model +1"]]);
});

test("a metric that is not known goes by its own name", () => {
  expect(metricName("preference_accuracy").name).toBe("Pairs preferred rightly");
  expect(metricName("exact_match").name).toBe("Solved exactly");
  expect(metricName("new_measure")).toEqual({ name: "new measure", unit: "number", better: null });
});

/** Relative luminance and contrast, WCAG 2.2. */
function contrast(one: string, other: string): number {
  const luminance = (color: string): number => {
    const [r = 0, g = 0, b = 0] = [1, 3, 5]
      .map((at) => Number.parseInt(color.slice(at, at + 2), 16) / 255)
      .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const [dark = 0, light = 0] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
}

test.each(["light", "dark"])("every colour that letters have stands out from the paper (4.5 to 1), %s", (scheme) => {
  const rules = [...STYLE.matchAll(/:root\{([^}]*)\}/g)].map(([, body]) => body ?? "");
  const own = scheme === "light" ? rules[0] : rules[1];
  const colors = new Map([...(own ?? "").matchAll(/--(\w+):(#\w{6})/g)].map(([, name, color]) => [name, color]));
  const paper = colors.get("paper") ?? "";
  const low = ["ink", "soft", "accent", "before", "wrong", "third"].filter(
    (name) => contrast(colors.get(name) ?? "", paper) < 4.5,
  );
  expect(low).toEqual([]);
});
