// The table of an ablation in Markdown: every variant beside the base model, with 95 % intervals that count the held-out problems and,
// where there are several, the seeds.

import { createResampler } from "../../evaluate/metrics/bootstrap.ts";
import type { Interval } from "../../evaluate/result.ts";
import { type Figures, pooled } from "./figures.ts";
import type { VariantOutcome } from "./run-variant.ts";
import { seedDifference } from "./seed-difference.ts";

export interface VariantRow {
  name: string;
  what: string;
  exactMatch: Interval;
  /** Against the base model, paired by problem; over seeds and problems. */
  exactGain: Interval;
  bySeed: number[];
  answerGain: Interval;
  validityGain: Interval;
  repetitionGain: Interval;
  pairs: number;
  seconds: number;
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

/** Rows of variants run with several seeds, all measured on the problems of `base`. */
export function variantRows(
  base: Figures,
  variants: readonly { name: string; what: string; outcomes: readonly VariantOutcome[] }[],
): VariantRow[] {
  const resampler = createResampler(base.exact_match.sums.length);
  return variants.map(({ name, what, outcomes }) => {
    const all = (figure: keyof Figures) => pooled(outcomes.map(({ figures }) => figures[figure]));
    const own = outcomes.map(({ figures }) => figures);
    const gain = (figure: keyof Figures): Interval =>
      own.length > 1 ? seedDifference(own, [base], figure) : resampler.difference(all(figure), base[figure]);
    return {
      name,
      what,
      exactMatch: resampler.mean(all("exact_match")),
      exactGain: gain("exact_match"),
      bySeed: outcomes.map(({ figures }) => mean(figures.exact_match.sums)),
      answerGain: gain("answer_accuracy"),
      validityGain: gain("step_validity"),
      repetitionGain: gain("repetition_rate"),
      pairs: Math.round(mean(outcomes.map(({ pairs }) => pairs))),
      seconds: Math.round(mean(outcomes.map(({ train_seconds }) => train_seconds))),
    };
  });
}

const percent = (value: number): string => (100 * value).toFixed(1);
const signed = (value: number): string => `${value >= 0 ? "+" : "−"}${percent(Math.abs(value))}`;
const gain = ({ value, low, high }: Interval): string => `${signed(value)} [${signed(low)}, ${signed(high)}]`;

/** The table; shares in percent, gains in points. */
export function variantTable(base: Figures, rows: readonly VariantRow[]): string {
  const lines = rows.map((row) =>
    [
      row.name,
      row.what,
      row.pairs,
      percent(row.exactMatch.value),
      gain(row.exactGain),
      row.bySeed.map(percent).join(" "),
      gain(row.validityGain),
      gain(row.repetitionGain),
      row.seconds,
    ].join(" | "),
  );
  const zero = (figure: keyof Figures): string => percent(mean(base[figure].sums) / mean(base[figure].counts));
  const header = [
    "variant",
    "what it is",
    "pairs",
    "exact match, %",
    "gain in points [95 %]",
    "by seed",
    "step validity, gain",
    "repetition, gain",
    "training, s",
  ];
  return [
    `| ${header.join(" | ")} |`,
    `|${header.map(() => "---").join("|")}|`,
    `| base | the model before training | – | ${zero("exact_match")} | – | – | ${zero("step_validity")} % | ${zero("repetition_rate")} % | – |`,
    ...lines.map((line) => `| ${line} |`),
    "",
  ].join("\n");
}
