// More samples, better answers: what choosing among N samples gains, by the reward model, by votes, and at best.

import { AGGREGATIONS, type Aggregation } from "../../../../shared/aggregate.ts";
import type { BestOfCurve, BestOfMethod, BestOfN, EvaluationResult, Interval } from "../../result.ts";
import { COLORS } from "../chart.ts";
import { type Axis, roundRange } from "../charts/axes.ts";
import { type Line, type LinePoint, lineChart } from "../charts/line-chart.ts";
import { renderFigure, renderTable, type Table } from "../figure.ts";
import { formatChange, formatCount, formatInterval, formatPercent, formatRange } from "../format.ts";
import { type Html, html } from "../html.ts";
import { isComparison, type Missing, type Section } from "../section.ts";

const METHOD_NAMES: Readonly<Record<BestOfMethod, string>> = {
  naive: "best score",
  weighted: "weighted vote",
  majority: "majority",
  oracle: "any right",
};
const STYLES: Readonly<Record<BestOfMethod, Pick<Line, "color" | "dash" | "width">>> = {
  naive: { color: COLORS.accent, width: 2.5 },
  weighted: { color: COLORS.third, dash: "dashed" },
  majority: { color: COLORS.wrong, dash: "dashed" },
  oracle: { color: COLORS.before, dash: "dotted" },
};
const ORDER: readonly BestOfMethod[] = ["oracle", "naive", "weighted", "majority"];

/** What is plotted of one model: one measure, exact match where it is known. */
interface Plotted {
  curves: readonly BestOfCurve[];
  greedy: Interval;
  what: string;
}

function plotted(bestOfN: BestOfN): Plotted {
  const exact = bestOfN.greedy.exact_match;
  const curves = bestOfN.curves.filter((curve) => curve.measure === (exact ? "exact_match" : "answer"));
  return { curves, greedy: exact ?? bestOfN.greedy.answer, what: exact ? "solved exactly" : "answered rightly" };
}

const end = (curve: BestOfCurve | undefined): number => curve?.points.at(-1)?.value ?? Number.NEGATIVE_INFINITY;

/** The aggregation whose best-scored sample is right most often at the largest N; null where nothing scored the samples. */
export function bestAggregation(curves: readonly BestOfCurve[]): Aggregation | null {
  const naive = curves.filter((curve) => curve.method === "naive" && curve.points.length > 0);
  return naive.toSorted((a, b) => end(b) - end(a))[0]?.aggregation ?? null;
}

function linesFor({ curves, greedy }: Plotted, aggregation: Aggregation | null, names: boolean): Line[] {
  const sizes = curves.flatMap(({ points }) => points.map(({ n }) => n));
  const flat = [Math.min(...sizes), Math.max(...sizes)].map((x): LinePoint => ({ x, y: greedy.value }));
  const drawn = ORDER.flatMap((method) => {
    const curve = curves.find((each) => each.method === method && each.aggregation === (needsScore(method) ? aggregation : null)); // biome-ignore format: one condition
    if (curve === undefined || (!names && method === "oracle")) return [];
    const points = curve.points.map(({ n, value, low, high }) => ({
      x: n,
      y: value,
      ...(method === "naive" && { low, high }),
    }));
    return [{ name: names ? METHOD_NAMES[method] : "", points, dots: method === "naive", ...STYLES[method] }];
  });
  return [...drawn, { name: names ? "greedy" : "", points: flat, color: COLORS.soft, width: 1 }];
}

const needsScore = (method: BestOfMethod): boolean => method === "naive" || method === "weighted";

function rangeOf(lines: readonly Line[]): Pick<Axis, "min" | "max" | "interval"> {
  const values = lines.flatMap(({ points }) => points.flatMap(({ y, low, high }) => [y, low, high]));
  const known = values.filter((value) => typeof value === "number");
  const { min, max, interval } = roundRange(Math.min(...known), Math.max(...known));
  return { min: Math.max(0, min), max: Math.min(1, max), interval };
}

const axes = (range: Pick<Axis, "min" | "max" | "interval">, label: string): { x: Axis; y: Axis } => ({
  x: { label: "samples a problem (N)", format: formatCount, log: true },
  y: { label, format: (share: number) => formatPercent(share, 0), ...range },
});

function curveTable(curves: readonly BestOfCurve[]): Table {
  return {
    columns: ["Choice", "N", "Right", "95% interval", "Against greedy", "Against majority"],
    rows: curves.flatMap((curve) =>
      curve.points.map((point) => [
        `${METHOD_NAMES[curve.method]}${curve.aggregation === null ? "" : `, ${curve.aggregation}`}`,
        point.n,
        formatPercent(point.value),
        formatInterval(point, "share"),
        formatChange(point.over_greedy.value, "share"),
        formatChange(point.over_majority.value, "share"),
      ]),
    ),
  };
}

/** The gain in words, at 8 samples where they were drawn, else at the most. */
function gain(curves: readonly BestOfCurve[], aggregation: Aggregation | null): string {
  const curve = curves.find((each) => each.method === "naive" && each.aggregation === aggregation);
  const point = curve?.points.find(({ n }) => n === 8) ?? curve?.points.at(-1);
  if (point === undefined)
    return "Nothing scored the samples: only votes, and what the best of all choices would reach.";
  const over = (difference: Interval): string =>
    `${formatChange(difference.value, "share")} (${formatRange(difference, "share")})`;
  return `The best scored of ${point.n} samples is right in ${formatPercent(point.value)} of the problems: ${over(point.over_greedy)} against greedy decoding, ${over(point.over_majority)} against majority voting; 95% intervals in brackets.`;
}

function mainFigure(bestOfN: BestOfN, title: string): Html {
  const shown = plotted(bestOfN);
  const aggregation = bestAggregation(shown.curves);
  const lines = linesFor(shown, aggregation, true);
  const by = aggregation === null ? "" : ` Step scores are aggregated by ${aggregation}, which does best here.`;
  return renderFigure({
    title,
    summary: `${gain(shown.curves, aggregation)}${by}`,
    draw: () => lineChart(lines, axes(rangeOf(lines), `share ${shown.what}`)),
    height: 320,
    table: curveTable(shown.curves.filter((curve) => curve.aggregation === null || curve.aggregation === aggregation)),
  });
}

/** The curves of the measure that is not drawn, where both were taken. */
function byAnswer(bestOfN: BestOfN): Html | undefined {
  const curves = bestOfN.curves.filter((curve) => curve.measure === "answer" && curve.points.length > 0);
  if (bestOfN.greedy.exact_match === null || curves.length === 0) return undefined;
  return html`<details><summary>The same by the final answer alone</summary>${renderTable(curveTable(curves), "Best of N by the final answer")}</details>`;
}

function panels(bestOfN: BestOfN): Html | undefined {
  const shown = plotted(bestOfN);
  const scored = AGGREGATIONS.filter((aggregation) => shown.curves.some((curve) => curve.aggregation === aggregation));
  if (scored.length < 2) return undefined;
  const range = rangeOf(scored.flatMap((aggregation) => linesFor(shown, aggregation, false)));
  return html`<h3 class="group">By aggregation of the step scores</h3>
<ul class="key"><li><i class="accent"></i>best score</li><li><i class="third"></i>weighted vote</li><li><i class="wrong"></i>majority</li><li><i class="before-thin"></i>greedy</li></ul>
<div class="halves">${scored.map((aggregation) => {
    const own = shown.curves.filter((curve) => curve.aggregation === aggregation);
    const words = own.map((curve) => `${METHOD_NAMES[curve.method]} ${formatPercent(end(curve))}`).join(", ");
    return renderFigure({
      title: aggregation,
      summary: `At the most samples: ${words}.`,
      size: "half",
      draw: () => lineChart(linesFor(shown, aggregation, false), axes(range, "")),
      height: 220,
      table: curveTable(own),
    });
  })}</div>`;
}

export function bestOfNSection(result: EvaluationResult): Section | Missing {
  const drawn = result.best_of_n.filter((each) => each.curves.some(({ points }) => points.length > 0));
  const [first] = drawn;
  if (first === undefined) return { missing: "No samples were drawn, so there are no best-of-N curves." };
  const scorer = first.scorer === null ? "" : `, scored by ${first.scorer}`;
  return {
    id: "best-of-n",
    title: "What more samples buy",
    body: html`<p>${formatCount(first.samples)} samples a problem at temperature ${first.temperature}${scorer}, on ${formatCount(first.problems)} problems. Each point is the expectation over the subsets of N samples. “Any right” is what a perfect choice would reach.</p>
${drawn.map((each) => [mainFigure(each, titleOf(result, each)), byAnswer(each)])}${panels(first)}`,
  };
}

function titleOf(result: EvaluationResult, bestOfN: BestOfN): string {
  if (!isComparison(result)) return "Best of N";
  return bestOfN.role === "model" ? "Best of N, after" : "Best of N, before";
}
