// Length and repetition: a model that is rewarded for its steps may learn to write more of them, or the same one again.

import type { EvaluationResult, Histogram, Interval, PolicyMetrics } from "../../result.ts";
import { COLORS } from "../chart.ts";
import { histogramChart } from "../charts/histogram-chart.ts";
import { type KeyEntry, renderFigure } from "../figure.ts";
import { formatCount, formatDecimal, formatInterval, formatPercent } from "../format.ts";
import { type Html, html } from "../html.ts";
import { type Missing, modelNames, ofRole, type Section } from "../section.ts";

interface Measured {
  name: string;
  /** " before", " after", or nothing for one model alone. */
  when: string;
  before: boolean;
  policy: PolicyMetrics;
}

function lengthFigure(
  measured: readonly Measured[],
  what: { title: string; label: string },
  pick: (length: PolicyMetrics["length"]) => { mean: Interval; histogram: Histogram },
): Html {
  const picked = measured.map((each) => ({ ...each, ...pick(each.policy.length) }));
  const key = picked.map(({ name, before }): KeyEntry => ({ mark: before ? "before" : "accent", text: name }));
  const means = picked.map(
    ({ mean, when }) => `${formatDecimal(mean.value)} (${formatInterval(mean, "number")})${when}`,
  );
  const edges = picked[0]?.histogram.edges ?? [];
  return renderFigure({
    title: what.title,
    summary: `Mean: ${means.join(", ")}.`,
    size: "half",
    ...(picked.length > 1 && { key }),
    draw: () =>
      histogramChart(
        picked.map(({ histogram, before }) => ({
          histogram,
          color: before ? COLORS.before : COLORS.accent,
          filled: before || picked.length === 1,
        })),
        { label: what.label, format: formatDecimal },
        { of: "the solutions" },
      ),
    height: 240,
    table: {
      columns: ["From", "To", ...picked.map(({ name }) => name)],
      rows: edges
        .slice(0, -1)
        .map((edge, i) => [
          formatDecimal(edge),
          formatDecimal(edges[i + 1] ?? edge),
          ...picked.map(({ histogram }) => formatCount(histogram.counts[i] ?? 0)),
        ]),
    },
  });
}

export function lengthSection(result: EvaluationResult): Section | Missing {
  const names = modelNames(result);
  const [before, after] = [ofRole(result.policy, "baseline"), ofRole(result.policy, "model")];
  const both = before !== undefined && after !== undefined;
  const measured: Measured[] = [
    ...(before
      ? [{ name: names.before ?? "baseline", when: both ? " before" : "", before: true, policy: before }]
      : []),
    ...(after ? [{ name: names.after, when: both ? " after" : "", before: false, policy: after }] : []),
  ];
  if (measured.length === 0) return { missing: "Nothing was solved, so there are no lengths." };
  const share = (pick: (policy: PolicyMetrics) => Interval): string =>
    measured.map(({ policy, when }) => `${formatPercent(pick(policy).value)}${when}`).join(", ");
  return {
    id: "length",
    title: "How long, and how repetitive",
    body: html`<p>Lines that repeat an earlier line of the same solution: ${share((policy) => policy.repetition_rate)}. Repeated runs of four words: ${share((policy) => policy.repeated_4grams)}.</p>
<div class="halves">${lengthFigure(measured, { title: "Tokens a solution", label: "tokens" }, ({ tokens, tokens_histogram }) => ({ mean: tokens, histogram: tokens_histogram }))}${lengthFigure(measured, { title: "Steps a solution", label: "steps, the answer line included" }, ({ steps, steps_histogram }) => ({ mean: steps, histogram: steps_histogram }))}</div>`,
  };
}
