// Counts of values in bins, with edges that several distributions share.

import type { Histogram } from "../result.ts";

/** `bins` + 1 edges of equal width from the smallest to the largest value of all lists; [0, 1] wide when there is no spread. */
export function sharedEdges(lists: readonly (readonly number[])[], bins = 20): number[] {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const value of lists.flat()) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  if (!Number.isFinite(low)) [low, high] = [0, 1];
  if (low === high) [low, high] = [low - 0.5, high + 0.5];
  return Array.from({ length: bins + 1 }, (_, i) => low + ((high - low) * i) / bins);
}

/** Edges of bins that hold one whole number each, from 0 to `largest`. */
export function integerEdges(largest: number): number[] {
  return Array.from({ length: largest + 2 }, (_, i) => i);
}

/** Counts in [edges[i], edges[i + 1]), the last bin closed; values outside the edges fall into the end bins. */
export function histogramOf(values: readonly number[], edges: readonly number[]): Histogram {
  const bins = edges.length - 1;
  const counts = new Array<number>(bins).fill(0);
  const first = edges[0] ?? 0;
  const width = ((edges[bins] ?? 1) - first) / bins;
  for (const value of values) {
    const bin = Math.min(bins - 1, Math.max(0, Math.floor((value - first) / width)));
    counts[bin] = (counts[bin] ?? 0) + 1;
  }
  return { edges: [...edges], counts };
}
