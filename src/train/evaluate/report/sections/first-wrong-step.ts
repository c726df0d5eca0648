// Where solutions first go wrong: a model that fails late has understood more than one that fails at once.

import type { EvaluationResult, PolicyMetrics } from "../../result.ts";
import { COLORS } from "../chart.ts";
import { barChart } from "../charts/bar-chart.ts";
import { type KeyEntry, renderFigure } from "../figure.ts";
import { formatCount, formatPercent } from "../format.ts";
import { html } from "../html.ts";
import { type Missing, modelNames, ofRole, type Section } from "../section.ts";

const MOST_STEPS = 10;

interface Failures {
  shares: number[];
  none: number;
  empty: number;
}

/** Shares of the solutions by the step that fails first; steps beyond the last bar are added to it. */
export function failureShares(steps: NonNullable<PolicyMetrics["first_wrong_step"]>, bars: number): Failures {
  const total = steps.counts.reduce((sum, count) => sum + count, steps.none + steps.empty) || 1;
  const shares = Array.from({ length: bars }, () => 0);
  steps.counts.forEach((count, step) => {
    const bar = Math.min(step, bars - 1);
    shares[bar] = (shares[bar] ?? 0) + count / total;
  });
  return { shares, none: steps.none / total, empty: steps.empty / total };
}

export function firstWrongStepSection(result: EvaluationResult): Section | Missing {
  const names = modelNames(result);
  const counted = [
    { steps: ofRole(result.policy, "baseline")?.first_wrong_step, name: names.before ?? "baseline", before: true },
    { steps: ofRole(result.policy, "model")?.first_wrong_step, name: names.after, before: false },
  ].flatMap(({ steps, ...rest }) => (steps ? [{ steps, ...rest }] : []));
  if (counted.length === 0) {
    return { missing: "No step of a solution could be checked, so where solutions first go wrong is not known." };
  }
  const longest = Math.max(1, ...counted.map(({ steps }) => steps.counts.length));
  const bars = Math.min(longest, MOST_STEPS);
  const labels = Array.from({ length: bars }, (_, i) => (i === bars - 1 && longest > bars ? `${i + 1}+` : `${i + 1}`));
  const groups = counted.map((each) => {
    const when = counted.length === 1 ? "" : each.before ? " before" : " after";
    return { ...each, when, ...failureShares(each.steps, bars) };
  });
  const key = groups.map(({ name, before }): KeyEntry => ({ mark: before ? "before" : "accent", text: name }));
  const figure = renderFigure({
    title: "The step that fails first",
    summary: `Solutions without a wrong step: ${groups.map(({ none, when }) => `${formatPercent(none)}${when}`).join(", ")}. The bars are the others.`,
    ...(groups.length > 1 && { key }),
    draw: (width) =>
      barChart(
        labels,
        groups.map(({ shares, before }) => ({ values: shares, color: before ? COLORS.before : COLORS.accent })),
        { x: "first wrong step", y: "share of all solutions" },
        width,
      ),
    height: 260,
    table: {
      columns: ["First wrong step", ...groups.map(({ name }) => name)],
      rows: [
        ...labels.map((label, i) => [label, ...groups.map(({ shares }) => formatPercent(shares[i] ?? 0))]),
        ["none wrong", ...groups.map(({ none, steps }) => `${formatPercent(none)} (${formatCount(steps.none)})`)],
        ["no steps", ...groups.map(({ empty, steps }) => `${formatPercent(empty)} (${formatCount(steps.empty)})`)],
      ],
    },
  });
  return {
    id: "first-wrong-step",
    title: "Where solutions go wrong",
    body: html`<p>Every line is checked by symbolic arithmetic. What counts is the first line that is wrong: the lines after it build on it.</p>${figure}`,
  };
}
