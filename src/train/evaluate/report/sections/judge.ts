// How far the step scores can be trusted: ranking, calibration, and finding the first wrong step.

import type { EvaluationResult, FirstErrorMeasure, Interval, JudgeMetrics } from "../../result.ts";
import { COLORS } from "../chart.ts";
import { histogramChart } from "../charts/histogram-chart.ts";
import { type LinePoint, lineChart } from "../charts/line-chart.ts";
import { reliabilityChart } from "../charts/reliability-chart.ts";
import { renderFigure, renderTitledTable } from "../figure.ts";
import { formatCount, formatDecimal, formatPercent } from "../format.ts";
import { type Html, html } from "../html.ts";
import type { Missing, Section } from "../section.ts";

const SOURCES: Readonly<Record<JudgeMetrics["source"], string>> = {
  model: "the model’s own solutions",
  data: "labelled solutions of the data",
  baseline: "the baseline’s solutions",
  corrupted: "solutions with a planted mistake",
};
const ORDER: readonly JudgeMetrics["source"][] = ["model", "data", "baseline", "corrupted"];

const withInterval = (interval: Interval | null | undefined): Html | string =>
  interval
    ? html`${interval.value.toFixed(3)}<span class="ci">${interval.low.toFixed(3)}–${interval.high.toFixed(3)}</span>`
    : "–";
const written = ({ value, low, high }: Interval): string =>
  `${value.toFixed(3)} (${low.toFixed(3)}–${high.toFixed(3)})`;

function overview(judges: readonly JudgeMetrics[]): Html {
  return renderTitledTable(
    {
      columns: ["Judged on", "Steps", "AUC", "AUC, first errors", "Calibration error", "First-error F1", "Threshold"],
      rows: judges.map((judge) => [
        SOURCES[judge.source],
        formatCount(judge.steps),
        withInterval(judge.auc),
        withInterval(judge.first_error_auc),
        withInterval(judge.ece),
        withInterval(judge.process_bench?.f1),
        judge.process_bench ? formatDecimal(judge.process_bench.threshold) : "–",
      ]),
    },
    "The reward model on steps with known labels, with 95% intervals",
  );
}

function reliabilityFigure(judge: JudgeMetrics): Html {
  return renderFigure({
    title: "Calibration",
    summary: `On ${SOURCES[judge.source]}. On the dashed line a score of 0.8 is right 8 times in 10. The expected calibration error is ${judge.ece.value.toFixed(3)}.`,
    size: "half",
    draw: () => reliabilityChart(judge.reliability),
    height: 340,
    table: {
      columns: ["Scores", "Steps", "Mean score", "Share right"],
      rows: judge.reliability.map((bin) => [
        `${formatDecimal(bin.low)} to ${formatDecimal(bin.high)}`,
        formatCount(bin.count),
        bin.mean_score === null ? "–" : formatDecimal(bin.mean_score),
        bin.share_right === null ? "–" : formatPercent(bin.share_right),
      ]),
    },
  });
}

function separationFigure({ source, score_histogram: { right, wrong }, auc }: JudgeMetrics): Html {
  const rank = auc ? ` A right step outscores a wrong one with a chance of ${formatPercent(auc.value)} (AUC).` : "";
  return renderFigure({
    title: "Scores of right and of wrong steps",
    summary: `On ${SOURCES[source]}.${rank}`,
    size: "half",
    key: [
      { mark: "accent", text: "right steps" },
      { mark: "wrong", text: "wrong steps" },
    ],
    draw: () =>
      histogramChart(
        [
          { histogram: right, color: COLORS.accent, filled: false },
          { histogram: wrong, color: COLORS.wrong, filled: false },
        ],
        { label: "score of the step", format: formatDecimal },
        { of: "their kind" },
      ),
    height: 340,
    table: {
      columns: ["Score from", "Right steps", "Wrong steps"],
      rows: right.counts.map((count, i) => [
        formatDecimal(right.edges[i] ?? 0),
        formatCount(count),
        formatCount(wrong.counts[i] ?? 0),
      ]),
    },
  });
}

function firstErrorFigure({ process_bench: measure }: JudgeMetrics): Html | undefined {
  if (measure === null || measure.curve.length < 2) return undefined;
  const { curve } = measure;
  const line = (pick: (point: FirstErrorMeasure) => number): LinePoint[] =>
    curve.map((point) => ({ x: point.threshold, y: pick(point) }));
  const chosen = measure.threshold_choice === "fixed" ? "given" : "chosen on one half, measured on the other";
  return renderFigure({
    title: "Finding the first wrong step",
    key: [
      { mark: "accent", text: "F1" },
      { mark: "third", text: "right solutions that are passed" },
      { mark: "wrong", text: "wrong solutions whose first wrong step is found" },
    ],
    summary: `F1 ${written(measure.f1)}: the first wrong step is found in ${formatPercent(measure.wrong_accuracy.value)} of ${formatCount(measure.wrong_solutions)} wrong solutions, and ${formatPercent(measure.right_accuracy.value)} of ${formatCount(measure.right_solutions)} right ones are passed. Threshold ${formatDecimal(measure.threshold)}, ${chosen}.`,
    draw: () =>
      lineChart(
        [
          {
            name: "",
            points: line((point) => point.right_accuracy),
            color: COLORS.third,
            dash: "dashed",
          },
          {
            name: "",
            points: line((point) => point.wrong_accuracy),
            color: COLORS.wrong,
            dash: "dashed",
          },
          { name: "", points: line((point) => point.f1), color: COLORS.accent, width: 2.5 },
        ],
        {
          x: { label: "threshold below which a step is called wrong", format: formatDecimal, min: 0, max: 1 },
          y: { label: "accuracy", format: (share) => formatPercent(share, 0), min: 0, max: 1 },
        },
      ),
    height: 280,
    table: {
      columns: ["Threshold", "On wrong solutions", "On right ones", "F1"],
      rows: curve.map((point) => [
        formatDecimal(point.threshold),
        formatPercent(point.wrong_accuracy),
        formatPercent(point.right_accuracy),
        formatPercent(point.f1),
      ]),
    },
  });
}

export function judgeSection(result: EvaluationResult): Section | Missing {
  const judges = ORDER.flatMap((source) => result.judge.filter((judge) => judge.source === source && judge.steps > 0));
  const [first] = judges;
  if (first === undefined) {
    return { missing: "There was no reward model, or no step with a known label, so the judging was not measured." };
  }
  const kind =
    result.reward_model?.type === "process"
      ? "a trained process reward model: one pass scores all steps"
      : "the zero-shot judge: asked about every step";
  return {
    id: "judge",
    title: "How far the scores can be trusted",
    body: html`<p>The reward model is ${kind}.</p>${overview(judges)}
<div class="halves">${separationFigure(first)}${judges.map(reliabilityFigure)}</div>${firstErrorFigure(first)}`,
  };
}
