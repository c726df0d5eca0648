// The table of a tournament in Markdown: every method beside the model before training and beside the rival, with intervals that count
// seeds as well as problems.

import { columnMean } from "../../evaluate/metrics/bootstrap.ts";
import type { Interval } from "../../evaluate/result.ts";
import type { Figures } from "./figures.ts";
import { seedDifference } from "./seed-difference.ts";
import type { MethodOutcome } from "./tournament-cell.ts";

export interface MethodOutcomes {
  name: string;
  what: string;
  outcomes: readonly MethodOutcome[];
}

const percent = (value: number): string => (100 * value).toFixed(1);
const signed = (value: number): string =>
  Number.isNaN(value) ? "?" : `${value >= 0 ? "+" : "−"}${percent(Math.abs(value))}`;
const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

/** Behind a difference that one seed gave: its interval is over problems alone. */
const ONE_SEED = "\\*";

function shown({ value, low, high }: Interval, seeds: number): string {
  return `${signed(value)} [${signed(low)}, ${signed(high)}]${seeds === 1 ? ONE_SEED : ""}`;
}

/** One table an evaluation; shares in percent, differences in points. */
export function tournamentTable(
  base: Readonly<Record<string, Figures>>,
  methods: readonly MethodOutcomes[],
  rival: string,
): string {
  const tables = Object.keys(base).map((evaluation) => evaluationTable(evaluation, base, methods, rival));
  const isLone = methods.some(({ outcomes }) => outcomes.length === 1);
  const note = `${ONE_SEED} one seed: the interval is over problems alone and says nothing of how seeds differ.\n`;
  return (isLone ? [...tables, note] : tables).join("\n");
}

function evaluationTable(
  evaluation: string,
  bases: Readonly<Record<string, Figures>>,
  methods: readonly MethodOutcomes[],
  rival: string,
): string {
  const base = bases[evaluation];
  if (base === undefined) return "";
  const figuresOf = (outcomes: readonly MethodOutcome[]): Figures[] =>
    outcomes.flatMap(({ figures }) => figures[evaluation] ?? []);
  const rivals = methods.find(({ name }) => name === rival)?.outcomes ?? [];
  /** Over the seeds that both have: equal seeds drew the same problems. */
  const overRival = ({ name, outcomes }: MethodOutcomes): string => {
    const own = outcomes.filter(({ seed }) => rivals.some((other) => other.seed === seed));
    const others = own.flatMap(({ seed }) => rivals.filter((other) => other.seed === seed));
    if (name === rival || own.length === 0) return "–";
    return shown(seedDifference(figuresOf(own), figuresOf(others)), own.length);
  };
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
      const own = figuresOf(method.outcomes);
      const bySeed = own.map(({ exact_match }) => columnMean(exact_match));
      const ofRuns = (of: (outcome: MethodOutcome) => number): string => mean(method.outcomes.map(of)).toFixed(0);
      return [
        method.name,
        percent(mean(bySeed)),
        bySeed.map(percent).join(" "),
        shown(seedDifference(own, [base]), own.length),
        overRival(method),
        shown(seedDifference(own, [base], "step_validity"), own.length),
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
