// How much a text repeats itself: lines that an earlier line said already, and n-grams of words likewise
// (1 - distinct-n of Li et al. 2016, arXiv:1510.03055).

import { splitSteps } from "../../../shared/steps.ts";

function repeatedShare(items: readonly string[]): number {
  return items.length === 0 ? 0 : 1 - new Set(items).size / items.length;
}

/** Lines equal to an earlier line over all lines, in [0, 1); 0 for a text without lines. */
export function repeatedLines(text: string): number {
  return repeatedShare(splitSteps(text).map((step) => step.text));
}

/** n-grams of words (white space separates) equal to an earlier one over all; 0 for a text of fewer than n words. */
export function repeatedNgrams(text: string, n: number): number {
  const words = text.split(/\s+/).filter((word) => word !== "");
  const grams = words.slice(0, Math.max(0, words.length - n + 1)).map((_, i) => words.slice(i, i + n).join(" "));
  return repeatedShare(grams);
}
