// What it comes to: a sentence, the figures that matter most, and before and after on one scale.

import type { ComparisonRow, EvaluationResult, Interval } from "../../result.ts";
import { type Change, changeChart, ROW_HEIGHT } from "../charts/change-chart.ts";
import { renderFigure, renderTitledTable } from "../figure.ts";
import { excludesZero, formatChange, formatInterval, formatPercent, formatRange, formatValue } from "../format.ts";
import { type Html, html } from "../html.ts";
import { bareMetric, type MetricName, metricName } from "../metric-names.ts";
import { isComparison, type Missing, ofRole, type Section } from "../section.ts";

/** The report in one sentence. */
export function headline(result: EvaluationResult): string {
  const policy = ofRole(result.policy, "model");
  if (policy?.exact_match) return `Solves ${share(policy.exact_match)} of the problems${trend(result, "exact_match")}`;
  if (policy?.answer_accuracy) {
    return `Answers ${share(policy.answer_accuracy)} of the problems rightly${trend(result, "answer_accuracy")}`;
  }
  const preference = ofRole(result.preference, "model");
  if (preference)
    return `Prefers the better side in ${share(preference.accuracy)} of the pairs${trend(result, "accuracy")}`;
  const auc = result.judge.find((judge) => judge.auc !== null)?.auc;
  if (auc) return `Tells right steps from wrong ones with an AUC of ${auc.value.toFixed(3)}`;
  return "Evaluation";
}

const share = (interval: Interval): string => formatPercent(interval.value);

function rowOf(result: EvaluationResult, metric: string): ComparisonRow | undefined {
  return result.comparison.find((row) => bareMetric(row.metric) === metric);
}

function trend(result: EvaluationResult, metric: string): string {
  const row = rowOf(result, metric);
  if (row === undefined) return "";
  const before = formatPercent(row.baseline);
  if (!excludesZero(row.difference)) return `, no clear change from ${before}`;
  return row.difference.value > 0 ? `, up from ${before}` : `, down from ${before}`;
}

interface Fact {
  name: MetricName;
  after: Interval;
  before: Interval | undefined;
  change: ComparisonRow | undefined;
}

function facts(result: EvaluationResult): Fact[] {
  const [after, before] = [ofRole(result.policy, "model"), ofRole(result.policy, "baseline")];
  const [pairsAfter, pairsBefore] = [ofRole(result.preference, "model"), ofRole(result.preference, "baseline")];
  const figures: [metric: string, after: Interval | null | undefined, before: Interval | null | undefined][] = [
    ["exact_match", after?.exact_match, before?.exact_match],
    ["answer_accuracy", after?.answer_accuracy, before?.answer_accuracy],
    ["step_validity", after?.step_validity, before?.step_validity],
    ["accuracy", pairsAfter?.accuracy, pairsBefore?.accuracy],
  ];
  return figures.flatMap(([metric, now, then]) => {
    if (!now) return [];
    const change = rowOf(result, metric);
    return [{ name: metricName(metric), after: now, before: then ?? undefined, change }];
  });
}

function card({ name, after, change }: Fact): Html {
  const value = html`<h3>${name.name}</h3><p class="big">${formatValue(after.value, name.unit)}</p>`;
  if (change === undefined) {
    return html`<li class="card">${value}<p class="soft">95% interval ${formatInterval(after, name.unit)}</p></li>`;
  }
  const { difference, baseline } = change;
  return html`<li class="card">${value}<p><strong class="${reading(change, name).mark}">${formatChange(difference.value, name.unit)}</strong></p>
<p>from ${formatValue(baseline, name.unit)}</p>
<p class="soft">95% interval ${formatRange(difference, name.unit)}: ${excludesZero(difference) ? "excludes" : "includes"} zero</p></li>`;
}

/** A difference in words: better, worse, or nothing that the data can show. */
function reading(row: ComparisonRow, name: MetricName): { word: string; mark: string } {
  if (!excludesZero(row.difference)) return { word: "no clear change", mark: "soft" };
  const up = row.difference.value > 0;
  if (name.better === null) return { word: up ? "more" : "less", mark: "" };
  return up === (name.better === "higher") ? { word: "better", mark: "good" } : { word: "worse", mark: "bad" };
}

function comparisonTable(rows: readonly ComparisonRow[]): Html {
  return renderTitledTable(
    {
      columns: ["Measure", "Before", "After", "Difference", "95% interval", "Reading"],
      rows: rows.map((row) => {
        const name = metricName(row.metric);
        const { word, mark } = reading(row, name);
        return [
          name.name,
          formatValue(row.baseline, name.unit),
          formatValue(row.model, name.unit),
          formatChange(row.difference.value, name.unit),
          formatRange(row.difference, name.unit),
          html`<span class="${mark}">${word}</span>`,
        ];
      }),
    },
    "Every measure before and after, on the same problems and pairs",
  );
}

/** Everything measured of one model, where there is no other to compare it with. */
function measureTable(result: EvaluationResult): Html {
  const policy = ofRole(result.policy, "model");
  const preference = ofRole(result.preference, "model");
  const { tokens, steps } = policy?.length ?? {};
  const measures = Object.entries({ ...policy, tokens, steps, ...preference }).flatMap(([metric, value]) =>
    isInterval(value) ? [{ name: metricName(metric), value }] : [],
  );
  const rows = measures.map(({ name, value }) => [
    name.name,
    formatValue(value.value, name.unit),
    formatInterval(value, name.unit),
  ]);
  return renderTitledTable({ columns: ["Measure", "Value", "95% interval"], rows }, "Every measure");
}

function isInterval(value: unknown): value is Interval {
  return typeof value === "object" && value !== null && "value" in value && "low" in value && "high" in value;
}

export function headlineSection(result: EvaluationResult): Section | Missing {
  const found = facts(result);
  if (found.length === 0)
    return { missing: "Neither problems nor pairs were measured, so there are no headline figures." };
  const shares = found.filter((fact) => fact.name.unit === "share");
  const compared = isComparison(result) && shares.some((fact) => fact.before);
  const changes = shares.map(
    ({ name, after, before }): Change => ({ name: name.name, after, ...(before && { before }) }),
  );
  const chart = renderFigure({
    title: compared ? "Before and after, on one scale" : "The shares on one scale",
    summary:
      "The pale bars are the 95% intervals of the figures themselves; each difference has its own interval below.",
    alternative: shares
      .map(({ name, after, before }) =>
        before
          ? `${name.name}: ${formatPercent(before.value)} before, ${formatPercent(after.value)} after.`
          : `${name.name}: ${formatPercent(after.value)}.`,
      )
      .join(" "),
    ...(compared && {
      key: [
        { mark: "before", text: "before" },
        { mark: "accent", text: "after" },
      ],
    }),
    draw: () => changeChart(changes),
    height: 46 + ROW_HEIGHT * changes.length,
    table: {
      columns: [
        "Measure",
        ...(compared ? ["Before", "95% interval"] : []),
        compared ? "After" : "Value",
        "95% interval",
      ],
      rows: shares.map(({ name, after, before }) => [
        name.name,
        ...(compared ? [before ? share(before) : "–", before ? formatInterval(before, "share") : "–"] : []),
        share(after),
        formatInterval(after, "share"),
      ]),
    },
  });
  return {
    id: "headline",
    title: compared ? "What changed" : "What it can do",
    body: html`<ul class="cards">${found.map(card)}</ul>${chart}${result.comparison.length > 0 ? comparisonTable(result.comparison) : measureTable(result)}`,
  };
}
