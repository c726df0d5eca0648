// The lines that `npm run evaluate` prints: the figures that decide, each with its interval.

import type { EvaluationResult, Interval } from "./result.ts";

const NAME_WIDTH = 34;

function percent({ value, low, high }: Interval): string {
  const digits = (share: number): string => (100 * share).toFixed(1);
  return `${digits(value)} % [${digits(low)}, ${digits(high)}]`;
}

/** A difference of shares, in percentage points. */
function points(difference: Interval): string {
  return percent(difference).replace(" %", " points");
}

function plain({ value, low, high }: Interval): string {
  return `${value.toFixed(3)} [${low.toFixed(3)}, ${high.toFixed(3)}]`;
}

function line(name: string, values: readonly (string | null | undefined)[]): string[] {
  const known = values.filter((value) => value !== null && value !== undefined);
  return known.length === 0
    ? []
    : [`${name.padEnd(NAME_WIDTH)}${known.map((value) => value.padEnd(24)).join("")}`.trimEnd()];
}

function policyLines({ policy, preference }: EvaluationResult): string[] {
  const shares = (of: (metrics: EvaluationResult["policy"][number]) => Interval | null): (string | null)[] =>
    policy.map((metrics) => {
      const interval = of(metrics);
      return interval && percent(interval);
    });
  const counted = (of: (metrics: EvaluationResult["policy"][number]) => number): string[] =>
    policy.map((metrics) => String(of(metrics)));
  return [
    ...line(
      "",
      policy.map(({ role }) => role),
    ),
    ...line(
      "solved exactly",
      shares(({ exact_match }) => exact_match),
    ),
    ...line(
      "final answers right",
      shares(({ answer_accuracy }) => answer_accuracy),
    ),
    ...line(
      "steps valid",
      shares(({ step_validity }) => step_validity),
    ),
    ...line(
      "lines repeated",
      shares(({ repetition_rate }) => repetition_rate),
    ),
    ...line(
      "tokens",
      policy.map(({ length }) => plain(length.tokens)),
    ),
    ...line(
      "without steps",
      counted(({ counts }) => counts.no_steps),
    ),
    ...line(
      "without an answer",
      counted(({ counts }) => counts.no_answer),
    ),
    ...line(
      "cut at the longest length",
      counted(({ counts }) => counts.unfinished),
    ),
    ...line(
      "pairs preferred rightly",
      preference.map(({ accuracy }) => percent(accuracy)),
    ),
    ...line(
      "log-prob margin",
      preference.map(({ logps_margin }) => plain(logps_margin)),
    ),
  ];
}

function judgeLines({ judge, pair_scores }: EvaluationResult): string[] {
  return [
    ...(pair_scores ? line("pairs scored rightly", [percent(pair_scores.accuracy)]) : []),
    ...judge.flatMap(({ source, auc, ece, process_bench }) => [
      ...line(`step AUC (${source})`, [auc && plain(auc)]),
      ...line(`calibration error (${source})`, [plain(ece)]),
      ...line(`first-error F1 (${source})`, [
        process_bench && `${plain(process_bench.f1)} at threshold ${process_bench.threshold.toFixed(3)}`,
      ]),
    ]),
  ];
}

/** Of the scored curves, the one that is best at the largest N up to 8, beside greedy and majority. */
function bestOfLines({ best_of_n }: EvaluationResult): string[] {
  return best_of_n.flatMap(({ role, greedy, curves }) => {
    const measure = greedy.exact_match === null ? "answer" : "exact_match";
    const own = curves.filter((curve) => curve.measure === measure);
    const n = Math.max(0, ...(own[0]?.points.map((point) => point.n) ?? []).filter((size) => size <= 8));
    const at = (curve: (typeof own)[number] | undefined) => curve?.points.find((point) => point.n === n);
    const scored = own.filter(({ aggregation }) => aggregation !== null);
    const best = scored.sort((a, b) => (at(b)?.value ?? 0) - (at(a)?.value ?? 0))[0];
    const [majority, oracle, point] = [
      at(own.find(({ method }) => method === "majority")),
      at(own.find(({ method }) => method === "oracle")),
      at(best),
    ];
    return [
      ...(majority ? line(`majority of ${n} (${role})`, [percent(majority)]) : []),
      ...(point ? line(`best of ${n} (${role})`, [`${percent(point)} ${best?.method}, ${best?.aggregation}`]) : []),
      ...(point ? line("  over greedy", [points(point.over_greedy)]) : []),
      ...(point ? line("  over majority", [points(point.over_majority)]) : []),
      ...(oracle ? line(`any of ${n} right (${role})`, [percent(oracle)]) : []),
    ];
  });
}

/** What to print, without a final newline. */
export function evaluationSummary(result: EvaluationResult): string {
  const { data, left_out, comparison } = result;
  const dropped = Object.entries(data.dropped).map(([reason, count]) => `${reason}: ${count}`);
  const exact = comparison.find(({ metric }) => metric === "exact_match");
  return [
    `${data.problems} problems of ${data.source}, seeds ${result.seeds.join(" ")}`,
    ...(dropped.length > 0 ? [`left out of the data: ${dropped.join(", ")}`] : []),
    ...data.dropped_records.slice(0, 5).map(({ where, what }) => `  ${where}: ${what}`),
    "",
    ...policyLines(result),
    ...(exact ? line("solved exactly, difference", [points(exact.difference)]) : []),
    ...judgeLines(result),
    ...bestOfLines(result),
    ...(left_out.length > 0 ? ["", ...left_out.map(({ part, why }) => `not measured: ${part} (${why})`)] : []),
  ].join("\n");
}
