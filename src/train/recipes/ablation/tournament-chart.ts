// The picture of a tournament: exact match over the tokens sampled so far, one panel an evaluation, one line a method. Plain SVG, written
// out here, so that the command needs nothing to draw it.

import type { MethodOutcomes } from "./tournament-table.ts";

/** After a round: tokens and exact match, each a value a seed. */
export interface CurvePoint {
  tokens: number;
  mean: number;
  low: number;
  high: number;
}

const PANEL = { width: 300, height: 250, left: 46, top: 44, right: 124, bottom: 48 };
/** Okabe and Ito's colours, which colour-blind readers tell apart, as far as they stand out from white. */
const COLORS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8a6d00", "#56b4e9", "#333333"];
const INK = "#333";
const SOFT = "#777";
const FONT = "font-family:system-ui,sans-serif;font-size:12px";

/** Mean over the seeds after each round, with the lowest and the highest seed; seeds that ended early leave the later points out. */
export function methodCurve({ outcomes }: MethodOutcomes, evaluation: string): CurvePoint[] {
  const rounds = Math.min(...outcomes.map(({ curve }) => curve.length));
  if (!Number.isFinite(rounds)) return [];
  return Array.from({ length: rounds }, (_, round) => {
    const points = outcomes.flatMap(({ curve }) => curve[round] ?? []);
    const exact = points.map((point) => point.exact[evaluation] ?? 0);
    return {
      tokens: mean(points.map(({ tokens }) => tokens)),
      mean: mean(exact),
      low: Math.min(...exact),
      high: Math.max(...exact),
    };
  });
}

/** The SVG file's text: methods with several seeds, all where none has; undefined where no method has a curve. */
export function tournamentChart(
  evaluations: readonly string[],
  methods: readonly MethodOutcomes[],
): string | undefined {
  const curved = methods.filter(({ outcomes }) => outcomes.some(({ curve }) => curve.length > 1));
  const several = curved.filter(({ outcomes }) => outcomes.length > 1);
  const drawn = several.length > 0 ? several : curved;
  if (drawn.length === 0) return undefined;
  const across = PANEL.left + PANEL.width + PANEL.right;
  const height = PANEL.top + PANEL.height + PANEL.bottom;
  const panels = evaluations.map((evaluation, i) => {
    const curves = drawn.map((method, m) => ({
      name: method.name,
      color: COLORS[m % COLORS.length] ?? INK,
      points: methodCurve(method, evaluation),
    }));
    return `<g transform="translate(${i * across + PANEL.left} ${PANEL.top})">${panel(evaluation, curves)}</g>`;
  });
  const width = across * evaluations.length;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">`,
    "<title>Exact match on held-out problems over the tokens sampled</title>",
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    `<g style="${FONT}" fill="${INK}">${panels.join("\n")}</g>`,
    "</svg>\n",
  ].join("\n");
}

interface Curve {
  name: string;
  color: string;
  points: readonly CurvePoint[];
}

function panel(evaluation: string, curves: readonly Curve[]): string {
  const { width, height } = PANEL;
  const all = curves.flatMap(({ points }) => points);
  const xTop = roundUp(Math.max(1, ...all.map(({ tokens }) => tokens)));
  const yLow = Math.floor(10 * Math.min(...all.map(({ low }) => low))) / 10;
  const yHigh = Math.max(yLow + 0.1, Math.ceil(10 * Math.max(...all.map(({ high }) => high))) / 10);
  const x = (tokens: number): number => (width * tokens) / xTop;
  const y = (share: number): number => height * (1 - (share - yLow) / (yHigh - yLow));
  const yTicks = Array.from({ length: 6 }, (_, i) => yLow + (i * (yHigh - yLow)) / 5);
  const xTicks = Array.from({ length: 5 }, (_, i) => (i * xTop) / 4);
  const grid = yTicks.map(
    (share) =>
      `<path d="M0 ${n(y(share))}H${width}" stroke="#ddd"/><text x="-8" y="${n(y(share) + 4)}" text-anchor="end" fill="${SOFT}">${n(100 * share)}</text>`,
  );
  const below = xTicks.map(
    (tokens) =>
      `<text x="${n(x(tokens))}" y="${height + 18}" text-anchor="middle" fill="${SOFT}">${n(tokens / 1000)}k</text>`,
  );
  const places = apart(curves.map(({ points }) => y(points.at(-1)?.mean ?? 0)));
  const lines = curves.map(({ name, color, points }, c) => {
    const path = points.map((point, i) => `${i === 0 ? "M" : "L"}${n(x(point.tokens))} ${n(y(point.mean))}`).join("");
    const ranges = points.map((point) => `M${n(x(point.tokens))} ${n(y(point.low))}V${n(y(point.high))}`).join("");
    const dots = points.map((point) => `<circle cx="${n(x(point.tokens))}" cy="${n(y(point.mean))}" r="3"/>`).join("");
    return `<g stroke="${color}" fill="none"><path d="${path}" stroke-width="2"/><path d="${ranges}" stroke-width="1"/><g fill="${color}" stroke="none">${dots}<text x="${width + 10}" y="${n((places[c] ?? 0) + 4)}">${name}</text></g></g>`;
  });
  return [
    `<text x="0" y="-24" style="font-weight:600">${evaluation}</text>`,
    `<text x="0" y="-8" fill="${SOFT}">exact match, %; bars: lowest to highest seed</text>`,
    ...grid,
    ...below,
    `<text x="${width / 2}" y="${height + 38}" text-anchor="middle" fill="${SOFT}">tokens sampled</text>`,
    ...lines,
  ].join("\n");
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

/** Short digits for the file. */
const n = (value: number): string => String(Math.round(10 * value) / 10);

/** The next number of 1, 2, 2.4, 3.2, 4, 6, 8 or 10 times a power of ten: its quarters are short. */
function roundUp(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  return power * ([1, 2, 2.4, 3.2, 4, 6, 8].find((factor) => factor * power >= value) ?? 10);
}

/** Heights of labels, moved so that two are never nearer than a line. */
function apart(heights: readonly number[]): number[] {
  const LINE = 15;
  const order = heights.map((_, i) => i).sort((a, b) => (heights[a] ?? 0) - (heights[b] ?? 0));
  const placed = [...heights];
  let last = Number.NEGATIVE_INFINITY;
  for (const i of order) {
    last = Math.max(placed[i] ?? 0, last + LINE);
    placed[i] = last;
  }
  return placed;
}
