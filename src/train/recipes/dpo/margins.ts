// What the score margins r_c - r_r of a data set are, and what a margin mode makes of them. The published formula takes them raw:
// a zero margin teaches nothing, a negative one reverses the preference, so both are counted and reported.

import type { MarginMode } from "../../loss/settings.ts";

export interface MarginReport {
  count: number;
  mean: number;
  zero: number;
  /** Margins below zero: the judge prefers the rejected side. */
  reversed: number;
}

/** |margin| at or below this counts as zero: no gradient to speak of. */
const ZERO_MARGIN = 1e-6;

export function reportMargins(margins: readonly number[]): MarginReport {
  const zero = margins.filter((margin) => Math.abs(margin) <= ZERO_MARGIN).length;
  return {
    count: margins.length,
    mean: margins.reduce((sum, margin) => sum + margin, 0) / Math.max(1, margins.length),
    zero,
    reversed: margins.filter((margin) => margin < -ZERO_MARGIN).length,
  };
}

/** The margin that enters the loss; undefined leaves the pair out. */
export function applyMarginMode(margin: number, mode: MarginMode): number | undefined {
  switch (mode) {
    case "raw":
      return margin;
    case "abs":
      return Math.abs(margin);
    case "clamp":
      return Math.max(0, margin);
    case "skip":
      return margin <= ZERO_MARGIN ? undefined : margin;
  }
}
