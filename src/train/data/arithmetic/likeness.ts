// How alike two word problems are when their prompts differ: equal up to persons and things, or up to numbers too. The splits share no
// prompt; this counts what they share beneath that.

import { createRng } from "../../../shared/rng.ts";
import { generateSplitProblem, type Split } from "./split.ts";
import { BOYS, CONTAINERS, FOODS, GIRLS, THINGS } from "./wording.ts";

export const LIKENESSES = ["names", "numbers"] as const;
/** `names`: equal but for persons and things; `numbers`: but for those and all numbers. */
export type Likeness = (typeof LIKENESSES)[number];

const KINDS: readonly [readonly string[], string][] = [
  [[...GIRLS, ...BOYS], "P"],
  [[...FOODS, ...THINGS], "I"],
  [CONTAINERS, "C"],
];
const KIND_OF = new Map(KINDS.flatMap(([words, letter]) => words.map((word) => [word, letter] as const)));
/** Words that follow the person's gender. */
const GENDERED: ReadonlyMap<string, string> = new Map([
  ["She", "He"],
  ["she", "he"],
  ["her", "him"],
  ["his", "him"],
]);

/** The prompt with persons and things numbered by kind in order of appearance; with `numbers`, every number is "#". */
export function problemShape(prompt: string, likeness: Likeness): string {
  const known = new Map<string, string>();
  const counts = new Map<string, number>();
  const named = prompt.replace(/[A-Za-z]+/g, (word) => {
    const kind = KIND_OF.get(word);
    if (kind === undefined) return GENDERED.get(word) ?? word;
    const own = known.get(word);
    if (own !== undefined) return own;
    const count = (counts.get(kind) ?? 0) + 1;
    counts.set(kind, count);
    const name = `${kind}${count}`;
    known.set(word, name);
    return name;
  });
  return likeness === "numbers" ? named.replace(/(?<![A-Z])\b\d+\b/g, "#") : named;
}

export interface LeakCount {
  /** Problems of the split that is looked at. */
  problems: number;
  /** How many of them are equal to one of the other split, by likeness. */
  alike: Record<Likeness, number>;
  /** The same by the number of steps: problems, and alike. */
  bySteps: Record<string, { problems: number } & Record<Likeness, number>>;
}

/** Draws `problems` of `split` and `others` of `other`, and counts those that are alike. */
export function countLeaks(
  { split, other }: { split: Split; other: Split },
  { problems, others, seed, otherSeed }: { problems: number; others: number; seed: number; otherSeed: number },
): LeakCount {
  const shapes: Record<Likeness, Set<string>> = { names: new Set(), numbers: new Set() };
  const otherRng = createRng(otherSeed);
  for (let i = 0; i < others; i++) {
    const { prompt } = generateSplitProblem(otherRng, other);
    for (const likeness of LIKENESSES) shapes[likeness].add(problemShape(prompt, likeness));
  }
  const count: LeakCount = { problems, alike: { names: 0, numbers: 0 }, bySteps: {} };
  const rng = createRng(seed);
  for (let i = 0; i < problems; i++) {
    const { prompt, equations } = generateSplitProblem(rng, split);
    const steps = String(equations.length);
    const own = count.bySteps[steps] ?? { problems: 0, names: 0, numbers: 0 };
    own.problems += 1;
    for (const likeness of LIKENESSES) {
      if (!shapes[likeness].has(problemShape(prompt, likeness))) continue;
      own[likeness] += 1;
      count.alike[likeness] += 1;
    }
    count.bySteps[steps] = own;
  }
  return count;
}
