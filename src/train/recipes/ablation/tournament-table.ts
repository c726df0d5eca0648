// The table of a tournament in Markdown: every method beside the model before training and beside the rival, with intervals that count
// seeds as well as problems.

import { columnMean } from "../../evaluate/metrics/bootstrap.ts";
import type { Interval } from "../../evaluate/result.ts";
import type { Figures } from "./figures.ts";
import { seedDifference } from "./seed-difference.ts";
import type { MethodOutcome } from "./tournament.ts";

export interface MethodOutcomes {
  name: string;
  what: string;
  outcomes: readonly MethodOutcome[];
}

const percent = (value: number): string => (100 * value).toFixed(1);
const signed = (value: number): string =>
  Number.isNaN(value) ? "?" : `${value >= 0 ? "+" : "−"}${percent(Math.abs(value))}`;
const shown = ({ value, low, high }: Interval): string => `${signed(value)} [${signed(low)}, ${signed(high)}]`;
const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

/** One table an evaluation; shares in percent, differences in points. */
export function tournamentTable(
  base: Readonly<Record<string, Figures>>,
  methods: readonly MethodOutcomes[],
  rival: string,
): string {
  return Object.keys(base)
    .map((evaluation) => evaluationTable(evaluation, base, methods, rival))
    .join("\n");
}

function evaluationTable(
  evaluation: string,
  bases: Readonly<Record<string, Figures>>,
  methods: readonly MethodOutcomes[],
  rival: string,
): string {
  const base = bases[evaluation];
  if (base === undefined) return "";
  const figuresOf = ({ outcomes }: MethodOutcomes): Figures[] =>
    outcomes.flatMap(({ figures }) => figures[evaluation] ?? []);
  const rivals = methods.filter(({ name }) => name === rival).flatMap(figuresOf);
  const header = [
    "method",
    "exact match, %",
    "by seed",
    "gain",
    `over ${rival}`,
    "step validity, gain",
    "samples",
    "tokens",
    "update steps",
    "update, s",
  ];
  const rows = methods
    .filter(({ outcomes }) => outcomes.length > 0)
    .map((method) => {
      const own = figuresOf(method);
      const bySeed = own.map(({ exact_match }) => columnMean(exact_match));
      const ofRuns = (of: (outcome: MethodOutcome) => number): string => mean(method.outcomes.map(of)).toFixed(0);
      return [
        method.name,
        percent(mean(bySeed)),
        bySeed.map(percent).join(" "),
        shown(seedDifference(own, [base])),
        method.name === rival || rivals.length === 0 ? "–" : shown(seedDifference(own, rivals)),
        shown(seedDifference(own, [base], "step_validity")),
        ofRuns(({ samples }) => samples),
        ofRuns(({ tokens }) => tokens),
        ofRuns(({ steps }) => steps),
        ofRuns(({ update_seconds }) => update_seconds),
      ];
    });
  const zero = ["before training", percent(columnMean(base.exact_match)), ...Array<string>(8).fill("–")];
  const lines = [header, header.map(() => "---"), zero, ...rows].map((cells) => `| ${cells.join(" | ")} |`);
  return `**${evaluation}** (${base.exact_match.sums.length} problems)\n\n${lines.join("\n")}\n`;
}
