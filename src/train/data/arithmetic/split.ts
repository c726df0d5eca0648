// Pretraining, preference training and held-out evaluation must never share a problem. The prompt itself decides where it belongs,
// so the three need no common list.

import type { Rng } from "../../../shared/rng.ts";
import { normalisePrompt } from "../pairs/normalise-prompt.ts";
import { generateProblem, type ProblemRange } from "./generate.ts";
import type { ArithmeticProblem } from "./problem.ts";

export const SPLITS = ["pretrain", "preference", "heldout"] as const;
export type Split = (typeof SPLITS)[number];

/** FNV-1a over UTF-16 units, 32 bits, with murmur3's finalizer so that the low bits are even too. */
function hash32(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** Where this prompt belongs: 90 % pretrain, 5 % preference, 5 % heldout. Case and white space do not count. */
export function problemSplit(prompt: string): Split {
  const bucket = hash32(normalisePrompt(prompt)) % 20;
  if (bucket < 18) return "pretrain";
  return bucket === 18 ? "preference" : "heldout";
}

/** Draws problems until one belongs to `split` (20 draws on average for preference and heldout). */
export function generateSplitProblem(rng: Rng, split: Split, range?: ProblemRange): ArithmeticProblem {
  for (;;) {
    const problem = generateProblem(rng, range);
    if (problemSplit(problem.prompt) === split) return problem;
  }
}
