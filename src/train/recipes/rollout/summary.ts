// What `npm run rollout` prints at its end.

import type { RolloutReport } from "./write-rollouts.ts";

const percent = (share: number | null): string => (share === null ? "-" : `${(100 * share).toFixed(1)} %`);
const number = (value: number | null): string => (value === null ? "-" : value.toFixed(3));

/** A few lines for a person. */
export function rolloutSummary(report: RolloutReport, output: string): string {
  const { samples, pairs, step_rows, seconds, resumed, dropped_records } = report;
  const passes = Object.entries(samples.pass_at_k).map(([k, chance]) => `@${k} ${percent(chance)}`);
  const lines = [
    `samples  ${samples.samples} of ${samples.problems} problems${resumed > 0 ? ` (${resumed} by the earlier run)` : ""}: ${percent(samples.exact)} exact, ${percent(samples.answer_correct)} right answers, ${percent(samples.step_validity)} of steps right; ${samples.empty} empty, ${samples.unfinished} cut`,
    `pass     ${passes.join("  ") || "- (no answer is known)"}`,
    `scores   right ${number(samples.scores.right)}, wrong ${number(samples.scores.wrong)}; a right one is above a wrong one in ${percent(samples.scores.auc)}`,
  ];
  if (samples.monte_carlo_agreement !== null)
    lines.push(`labels   Monte Carlo and checker agree on ${percent(samples.monte_carlo_agreement)} of steps`);
  for (const [kind, { pairs: count, without, mean_margin, reversed }] of Object.entries(pairs.kinds)) {
    const reasons = Object.entries(without).map(([reason, problems]) => `${problems} ${reason}`);
    const none = reasons.length === 0 ? "" : `; problems without: ${reasons.join(", ")}`;
    lines.push(
      `pairs    ${kind}: ${count}, mean margin ${number(mean_margin)}${reversed > 0 ? `, ${reversed} reversed` : ""}${none}`,
    );
  }
  const dropped = Object.entries(report.dropped).map(([reason, count]) => `${reason}: ${count}`);
  if (dropped.length > 0) lines.push(`dropped  ${dropped.join(", ")}`);
  for (const { where, what } of dropped_records.slice(0, 3)) lines.push(`  ${where}: ${what}`);
  lines.push(
    `files    ${output}: rollouts.jsonl, train.jsonl (${pairs.train} pairs), eval.jsonl (${pairs.eval}), steps.jsonl (${step_rows} rows), rollout_report.json`,
    `time     ${Math.round(seconds)} s`,
  );
  return lines.join("\n");
}
