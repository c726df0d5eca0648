// How far apart the model, and the reward model, hold the two sides of a pair.

import type { EvaluationResult, PairScoreMetrics, PreferenceMetrics } from "../../result.ts";
import { COLORS } from "../chart.ts";
import { histogramChart } from "../charts/histogram-chart.ts";
import { type KeyEntry, renderFigure, type Table } from "../figure.ts";
import { formatCount, formatDecimal, formatInterval, formatPercent } from "../format.ts";
import { type Html, html } from "../html.ts";
import { type Missing, modelNames, ofRole, type Section } from "../section.ts";

interface Measured {
  name: string;
  before: boolean;
  metrics: PreferenceMetrics;
}

function binTable(edges: readonly number[], columns: readonly { name: string; counts: readonly number[] }[]): Table {
  const digits = Math.max(0, ...columns.map(({ counts }) => counts.length));
  return {
    columns: ["From", "To", ...columns.map(({ name }) => name)],
    rows: Array.from({ length: digits }, (_, i) => [
      formatDecimal(edges[i] ?? Number.NaN),
      formatDecimal(edges[i + 1] ?? Number.NaN),
      ...columns.map(({ counts }) => formatCount(counts[i] ?? 0)),
    ]),
  };
}

function policyFigure(measured: readonly Measured[]): Html {
  const said = measured.map(({ before, metrics }) => {
    const when = measured.length === 1 ? "" : before ? " before" : " after";
    const margin = `${formatDecimal(metrics.logps_margin.value)} (${formatInterval(metrics.logps_margin, "number")})`;
    return { margin: `${margin}${when}`, right: `${formatPercent(metrics.accuracy.value)}${when}` };
  });
  const means = said.map(({ margin }) => margin).join(", ");
  const summary = `Mean margin: ${means}. Share of the pairs whose chosen side is the likelier one: ${said.map(({ right }) => right).join(", ")}.`;
  const key = measured.map(({ name, before }): KeyEntry => ({ mark: before ? "before" : "accent", text: name }));
  return renderFigure({
    title: "Log-prob margin of the pairs",
    summary,
    ...(measured.length > 1 && { key }),
    draw: () =>
      histogramChart(
        measured.map(({ metrics, before }) => ({
          histogram: metrics.margin_histogram,
          color: before ? COLORS.before : COLORS.accent,
          filled: before || measured.length === 1,
        })),
        { label: "log p(chosen) − log p(rejected)", format: formatDecimal },
        { of: "the pairs", zeroLine: true },
      ),
    height: 280,
    table: binTable(
      measured[0]?.metrics.margin_histogram.edges ?? [],
      measured.map(({ name, metrics }) => ({ name, counts: metrics.margin_histogram.counts })),
    ),
  });
}

function scoreFigure(scores: PairScoreMetrics): Html {
  const reversed = `${formatCount(scores.reversed)} pairs are reversed and ${formatCount(scores.zero)} tied`;
  return renderFigure({
    title: "Score margin of the same pairs under the reward model",
    summary: `It scores the chosen side higher in ${formatPercent(scores.accuracy.value)} of ${formatCount(scores.pairs)} pairs (aggregation: ${scores.aggregation}); ${reversed}.`,
    draw: () =>
      histogramChart(
        [{ histogram: scores.histogram, color: COLORS.third, filled: true }],
        { label: "score(chosen) − score(rejected)", format: formatDecimal },
        { of: "the pairs", zeroLine: true },
      ),
    height: 240,
    table: binTable(scores.histogram.edges, [{ name: "Pairs", counts: scores.histogram.counts }]),
  });
}

export function marginsSection(result: EvaluationResult): Section | Missing {
  const names = modelNames(result);
  const [before, after] = [ofRole(result.preference, "baseline"), ofRole(result.preference, "model")];
  const measured: Measured[] = [
    ...(before ? [{ name: names.before ?? before.role, before: true, metrics: before }] : []),
    ...(after ? [{ name: names.after, before: false, metrics: after }] : []),
  ];
  if (measured.length === 0 && result.pair_scores === null) {
    return { missing: "The data has no preference pairs, so there are no margins." };
  }
  const implicit = after?.implicit;
  return {
    id: "margins",
    title: "How clearly it prefers",
    body: html`<p>A margin right of zero means that the model finds the better solution likelier than the worse one.${
      implicit
        ? ` Against the model before, the implicit reward ranks ${formatPercent(implicit.accuracy.value)} of the pairs rightly (95% interval ${formatInterval(implicit.accuracy, "share")}).`
        : ""
    }</p>${measured.length > 0 ? policyFigure(measured) : undefined}${result.pair_scores ? scoreFigure(result.pair_scores) : undefined}`,
  };
}
