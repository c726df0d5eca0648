// The figure that benchmarks report: one slow round on a busy machine does not move it.

/** The middle value, of an even number the upper one; NaN of none. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
