// Two completions beside each other: aligned by step, the first wrong step of each, which one is preferred and by how much.

import type { Aggregation } from "../../shared/aggregate.ts";
import { aggregateOf, type StepPart } from "./scored-text.ts";

/** A row of the comparison; an absent side has no such step. */
export interface AlignedRow {
  left: { part: StepPart; index: number } | undefined;
  right: { part: StepPart; index: number } | undefined;
  /** Both say the same. */
  same: boolean;
}

/**
 * Steps that are equal stand beside each other: the longest common subsequence; between them, steps are paired in order. At most 512 steps
 * a side are compared, as many as the API scores.
 */
export function alignSteps(left: readonly StepPart[], right: readonly StepPart[]): AlignedRow[] {
  const common = commonSteps(left.slice(0, 512), right.slice(0, 512));
  const rows: AlignedRow[] = [];
  let [l, r] = [0, 0];
  for (const [nextL, nextR] of [...common, [left.length, right.length] as const]) {
    for (; l < nextL || r < nextR; l += l < nextL ? 1 : 0, r += r < nextR ? 1 : 0) {
      rows.push({
        left: l < nextL ? at(left, l) : undefined,
        right: r < nextR ? at(right, r) : undefined,
        same: false,
      });
    }
    if (l < left.length && r < right.length) rows.push({ left: at(left, l++), right: at(right, r++), same: true });
  }
  return rows;
}

function at(parts: readonly StepPart[], index: number): AlignedRow["left"] {
  const part = parts[index];
  return part === undefined ? undefined : { part, index };
}

/** Places of the longest common subsequence, by dynamic programming. */
function commonSteps(left: readonly StepPart[], right: readonly StepPart[]): (readonly [number, number])[] {
  const width = right.length + 1;
  const longest = new Uint16Array((left.length + 1) * width);
  const equal = (l: number, r: number): boolean => left[l]?.text === right[r]?.text;
  for (let l = left.length - 1; l >= 0; l--) {
    for (let r = right.length - 1; r >= 0; r--) {
      longest[l * width + r] = equal(l, r)
        ? 1 + (longest[(l + 1) * width + r + 1] ?? 0)
        : Math.max(longest[(l + 1) * width + r] ?? 0, longest[l * width + r + 1] ?? 0);
    }
  }
  const places: (readonly [number, number])[] = [];
  for (let l = 0, r = 0; l < left.length && r < right.length; ) {
    if (equal(l, r)) places.push([l++, r++]);
    else if ((longest[(l + 1) * width + r] ?? 0) >= (longest[l * width + r + 1] ?? 0)) l++;
    else r++;
  }
  return places;
}

/** A score below this says that a step is more likely wrong than right. */
const UNDECIDED = 0.5;

/** The first step that is more likely wrong than right. */
export function firstWrongStep(parts: readonly StepPart[]): number | undefined {
  const index = parts.findIndex(({ score }) => score !== null && score < UNDECIDED);
  return index < 0 ? undefined : index;
}

/** Which side is preferred, and the margin; undefined while a score is missing. Equal scores prefer neither. */
export function preferenceOf(
  left: readonly StepPart[],
  right: readonly StepPart[],
  aggregation: Aggregation,
): { preferred: "left" | "right" | "neither"; margin: number } | undefined {
  const [a, b] = [left, right].map((parts) =>
    aggregateOf(
      parts.map(({ score }) => score),
      aggregation,
    ),
  );
  if (a == null || b == null) return undefined;
  return { preferred: a > b ? "left" : b > a ? "right" : "neither", margin: a - b };
}
