// Learning curves from the logs of the training runs: loss, margin and accuracy, in training and on held-out pairs.

import { COLORS } from "../chart.ts";
import { type Line, type LinePoint, lineChart } from "../charts/line-chart.ts";
import { renderFigure } from "../figure.ts";
import { formatCount, formatDecimal, formatPercent } from "../format.ts";
import { type Html, html } from "../html.ts";
import type { Missing, Section, TrainingCurves } from "../section.ts";

interface Panel {
  title: string;
  metric: string;
  format: (value: number) => string;
  max?: number;
}

const whole = (share: number): string => formatPercent(share, 0);
const PANELS: readonly Panel[] = [
  { title: "Loss", metric: "loss", format: formatDecimal },
  { title: "Log-prob margin", metric: "logps/margins", format: formatDecimal },
  { title: "Pairs preferred rightly", metric: "logps/accuracies", format: whole, max: 1 },
  { title: "Implicit reward margin", metric: "rewards/margins", format: formatDecimal },
  { title: "Implicit reward accuracy", metric: "rewards/accuracies", format: whole, max: 1 },
];
const MOST_POINTS = 160;

/** The values of a metric over the steps; a value that was not finite is null. */
export function curveOf(curves: TrainingCurves, metric: string): LinePoint[] {
  return curves.logHistory.flatMap((entry) => {
    const [step, value] = [entry.step, entry[metric]];
    return typeof step !== "number" || value === undefined ? [] : [{ x: step, y: value }];
  });
}

/** At most `most` points, each the mean of its neighbours; nulls are passed over. */
export function thinOut(points: readonly LinePoint[], most = MOST_POINTS): LinePoint[] {
  if (points.length <= most) return [...points];
  return Array.from({ length: most }, (_, i) => {
    const bucket = points.slice(Math.floor((i * points.length) / most), Math.floor(((i + 1) * points.length) / most));
    const values = bucket.flatMap(({ y }) => (y === null ? [] : [y]));
    const x = bucket.reduce((sum, point) => sum + point.x, 0) / bucket.length;
    return { x, y: values.length === 0 ? null : values.reduce((sum, y) => sum + y, 0) / values.length };
  });
}

function last(points: readonly LinePoint[]): number | undefined {
  return points.findLast(({ y }) => y !== null)?.y ?? undefined;
}

function panelFigure(panel: Panel, runs: readonly TrainingCurves[]): Html | undefined {
  const drawn = runs.map((run) => ({
    name: runs.length > 1 ? run.name : "",
    training: curveOf(run, panel.metric),
    heldOut: curveOf(run, `eval_${panel.metric}`),
  }));
  if (drawn.every(({ training, heldOut }) => training.length + heldOut.length < 2)) return undefined;
  const lines = [
    ...drawn.map(({ training }): Line => ({ name: "", points: thinOut(training), color: COLORS.before, width: 1.25 })),
    ...drawn.map(({ name, heldOut }): Line => ({ name, points: heldOut, color: COLORS.accent, dots: true })),
  ].filter((line) => line.points.length > 0);
  const ends = drawn.map(({ name, training, heldOut }) => {
    const words = [
      { what: "training", points: training },
      { what: "held out", points: heldOut },
    ].flatMap(({ what, points }) => {
      const [from, to] = [points.find(({ y }) => y !== null)?.y, last(points)];
      if (from === undefined || from === null || to === undefined) return [];
      return [`${what} ${panel.format(from)} → ${panel.format(to)}`];
    });
    return `${name === "" ? "" : `${name}: `}${words.join(", ")}`;
  });
  const rows = drawn.flatMap(({ name, training, heldOut }) => {
    const steps = new Map(heldOut.map(({ x, y }) => [x, y]));
    return thinOut(training.length > 0 ? training : heldOut, 24).map(({ x, y }) => {
      const near = heldOut.length > 0 && training.length > 0 ? steps.get(x) : undefined;
      return [formatCount(x), ...(runs.length > 1 ? [name] : []), y === null ? "–" : formatDecimal(y), near === undefined || near === null ? "" : formatDecimal(near)]; // biome-ignore format: one row
    });
  });
  return renderFigure({
    title: panel.title,
    summary: `First to last: ${ends.join("; ")}.`,
    size: "half",
    draw: () =>
      lineChart(lines, {
        x: { label: "step", format: formatCount },
        y: { label: "", format: panel.format, ...(panel.max === undefined ? {} : { max: panel.max }) },
      }),
    height: 220,
    table: { columns: ["Step", ...(runs.length > 1 ? ["Run"] : []), "Value", "Held out"], rows },
  });
}

export function trainingSection(runs: readonly TrainingCurves[]): Section | Missing {
  const figures = PANELS.flatMap((panel) => panelFigure(panel, runs) ?? []);
  if (figures.length === 0)
    return { missing: "There is no training log beside the model, so there are no learning curves." };
  return {
    id: "training",
    title: "How training went",
    body: html`<ul class="key"><li><i class="before-thin"></i>training pairs</li><li><i class="accent"></i>held-out pairs</li></ul><div class="halves">${figures}</div>`,
  };
}
