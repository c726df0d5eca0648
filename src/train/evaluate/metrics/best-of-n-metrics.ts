// Best-of-N curves over all problems whose answer is known: each problem's expectations (best-of-n.ts), averaged over its seeds.

import { AGGREGATIONS, type Aggregation, aggregateScores } from "../../../shared/aggregate.ts";
import { createRng, type Rng } from "../../../shared/rng.ts";
import type { CheckedText } from "../check-text.ts";
import type { BestOfCurve, BestOfMethod } from "../result.ts";
import { answerIds, bestScored, expectedVote, passAtN, subsets, type Voters } from "./best-of-n.ts";
import { type Column, columnOf, hasObservations, type Resampler } from "./bootstrap.ts";

/** The samples of one problem under one seed; scores are undefined without a reward model. */
export interface SampledItem {
  unit: number;
  samples: readonly CheckedText[];
  /** Step scores of each sample. */
  stepScores: readonly (readonly number[] | undefined)[];
}

interface Method {
  method: BestOfMethod;
  aggregation: Aggregation | null;
}

const UNSCORED: readonly Method[] = [
  { method: "majority", aggregation: null },
  { method: "oracle", aggregation: null },
];
const SCORED: readonly Method[] = (["naive", "weighted"] as const).flatMap((method) =>
  AGGREGATIONS.map((aggregation) => ({ method, aggregation })),
);
const MEASURES = ["exact_match", "answer"] as const;
const keyOf = ({ method, aggregation }: Method, measure: number, n: number): string =>
  [method, aggregation, measure, n].join("/");

/** Expectations of one problem under one seed, by method, measure and n. */
function expectations(
  item: SampledItem,
  ns: readonly number[],
  methods: readonly Method[],
  rng: Rng,
): Map<string, number> {
  const { samples, stepScores } = item;
  const values = [samples.map(({ exact }) => Number(exact)), samples.map(({ answerCorrect }) => Number(answerCorrect))];
  const answers = answerIds(samples);
  const ones = samples.map(() => 1);
  const scored = methods.map((way) => {
    // a sample without steps is never preferred
    const scores = samples.map((_, i) => {
      const own = stepScores[i] ?? [];
      return way.aggregation === null || own.length === 0
        ? Number.NEGATIVE_INFINITY
        : aggregateScores(own, way.aggregation);
    });
    const weights = way.method === "majority" ? ones : scores.map((score) => Math.max(0, score));
    return { way, scores, voters: { answers, weights, values } };
  });
  const found = new Map<string, number>();
  for (const n of ns) {
    const drawn = subsets(samples.length, n, rng);
    for (const { way, scores, voters } of scored) {
      outcomesOf(way.method, { scores, voters, n, drawn }).forEach((outcome, measure) => {
        found.set(keyOf(way, measure, n), outcome);
      });
    }
  }
  return found;
}

/** One value a measure. */
function outcomesOf(
  method: BestOfMethod,
  { scores, voters, n, drawn }: { scores: number[]; voters: Voters; n: number; drawn: number[][] },
): number[] {
  switch (method) {
    case "oracle":
      return voters.values.map((own) => passAtN(own.length, own.filter((value) => value > 0).length, n));
    case "naive":
      return voters.values.map((own) => bestScored(scores, own, n));
    default:
      return expectedVote(voters, drawn);
  }
}

/**
 * All curves over `size` problems. `greedy` holds the flat lines to compare with; a measure without observations there is left out.
 * `scored` false: only what needs no reward model.
 */
export function bestOfCurves(
  items: readonly SampledItem[],
  options: {
    size: number;
    ns: readonly number[];
    scored: boolean;
    resampler: Resampler;
    seed: number;
    greedy: { exact_match: Column; answer: Column };
    onProgress?: (done: number) => void;
  },
): BestOfCurve[] {
  const { size, ns, scored, resampler, greedy } = options;
  const methods = [...(scored ? SCORED : []), ...UNSCORED];
  const columns = new Map<string, Column>();
  const rng = createRng(options.seed);
  items.forEach((item, done) => {
    for (const [key, value] of expectations(item, ns, methods, rng)) {
      const column = columns.get(key) ?? columnOf(new Array<null>(size).fill(null));
      columns.set(key, column);
      column.sums[item.unit] = (column.sums[item.unit] ?? 0) + value;
      column.counts[item.unit] = (column.counts[item.unit] ?? 0) + 1;
    }
    options.onProgress?.(done + 1);
  });
  return MEASURES.flatMap((measure, m) => {
    if (!hasObservations(greedy[measure])) return [];
    // a problem without this measure (no checker) has no observation in any column of it
    const masked = (key: string): Column => onlyWhere(columns.get(key) ?? { sums: [], counts: [] }, greedy[measure]);
    return methods.map((way): BestOfCurve => {
      const points = ns.map((n) => {
        const own = masked(keyOf(way, m, n));
        const majority = masked(keyOf({ method: "majority", aggregation: null }, m, n));
        return {
          n,
          ...resampler.mean(own),
          over_greedy: resampler.difference(own, greedy[measure]),
          over_majority: resampler.difference(own, majority),
        };
      });
      return { measure, ...way, points };
    });
  });
}

function onlyWhere(column: Column, mask: Column): Column {
  const known = (i: number): boolean => (mask.counts[i] ?? 0) > 0;
  // means over seeds: every problem counts once, however many seeds drew it
  return columnOf(
    column.sums.map((sum, i) => (known(i) && (column.counts[i] ?? 0) > 0 ? sum / (column.counts[i] ?? 1) : null)),
  );
}
