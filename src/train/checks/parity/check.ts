// What a comparison of two sets of numbers comes to: its largest gap, held against a tolerance.

export interface ParityCheck {
  name: string;
  /** Largest gap in the unit of the check; NaN when a number is missing or not finite. */
  gap: number;
  /** undefined: reported, not judged. */
  tolerance: number | undefined;
  /** "" for absolute gaps, "%" or "relative", "ids" for counts of differing token ids. */
  unit: string;
}

/** Whether the gap is within tolerance; never for NaN. */
export function isWithin(check: ParityCheck): boolean {
  return check.tolerance === undefined || check.gap <= check.tolerance;
}

/** Largest absolute difference; NaN when the lengths differ or a value is NaN. */
export function largestGap(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length) return Number.NaN;
  let gap = 0;
  for (let i = 0; i < expected.length; i++) gap = Math.max(gap, Math.abs((actual[i] ?? NaN) - (expected[i] ?? NaN)));
  return gap;
}

/** |actual - expected| / |expected|; 0 when both are equal, zero included. */
export function relativeGap(actual: number, expected: number): number {
  return actual === expected ? 0 : Math.abs(actual - expected) / Math.abs(expected);
}

/** How many places differ between rows of token ids; a missing or surplus id counts. */
export function differingIds(actual: readonly (readonly number[])[], expected: readonly (readonly number[])[]): number {
  let count = 0;
  for (let r = 0; r < Math.max(actual.length, expected.length); r++) {
    const [a, e] = [actual[r] ?? [], expected[r] ?? []];
    for (let t = 0; t < Math.max(a.length, e.length); t++) if (a[t] !== e[t]) count++;
  }
  return count;
}

/** a.b / (|a| |b|). */
export function cosine(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let dot = 0;
  let aa = 0;
  let bb = 0;
  for (let i = 0; i < a.length; i++) {
    const [x, y] = [a[i] ?? NaN, b[i] ?? NaN];
    dot += x * y;
    aa += x * x;
    bb += y * y;
  }
  return dot / Math.sqrt(aa * bb);
}

/** Greedy ids as decoding returns them: without the start token, up to and with EOS. */
export function completionOf(row: readonly number[], eosTokenId: number): number[] {
  const ids = row.slice(1);
  const end = ids.indexOf(eosTokenId);
  return end < 0 ? ids : ids.slice(0, end + 1);
}

function figure(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toExponential(1);
}

/** The checks as an aligned table, one line each. */
export function formatChecks(checks: readonly ParityCheck[]): string {
  const cells = checks.map((check) => [
    check.name,
    [figure(check.gap), check.unit].join(" ").trim(),
    check.tolerance === undefined ? "-" : [figure(check.tolerance), check.unit].join(" ").trim(),
    check.tolerance === undefined ? "-" : isWithin(check) ? "ok" : "TOO FAR",
  ]);
  const table = [["check", "largest gap", "tolerance", "result"], ...cells];
  const widths = [0, 1, 2, 3].map((column) => Math.max(...table.map((row) => row[column]?.length ?? 0)));
  return table
    .map((row) =>
      row
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
