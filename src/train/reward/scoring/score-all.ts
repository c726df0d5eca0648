// Many completions through a scorer, a few at a time, with all of its processes at work.

import type { Completion, ScoredCompletion } from "../judge/llm-reward-model.ts";
import type { Scorer } from "./scoring-processes.ts";

/** Completions a request: what a kill loses at most, and what the last process works on while the others are done. */
const CHUNK = { alone: 128, shared: 16 };

/** All scores, in the order of the completions; one that stands there twice is scored twice. */
export async function scoresInOrder(scorer: Scorer, completions: readonly Completion[]): Promise<ScoredCompletion[]> {
  const own = completions.map(({ prompt, completion }) => ({ prompt, completion }));
  const scores = new Map<Completion, ScoredCompletion>();
  await scoreAll(scorer, own, (part, scored) => {
    part.forEach((completion, i) => {
      const score = scored[i];
      if (score !== undefined) scores.set(completion, score);
    });
  });
  return own.map((completion) => scores.get(completion) ?? { stepScores: [], score: Number.NaN });
}

/** Scores all; `onScored` is told each part as soon as it is there, in no order. What it throws ends the scoring. */
export async function scoreAll(
  scorer: Scorer,
  completions: readonly Completion[],
  onScored: (part: readonly Completion[], scored: readonly ScoredCompletion[]) => Promise<void> | void,
): Promise<void> {
  const size = scorer.processes === 1 ? CHUNK.alone : CHUNK.shared;
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < completions.length) {
      const part = completions.slice(next, next + size);
      next += size;
      try {
        await onScored(part, await scorer.score(part));
      } catch (error) {
        next = completions.length;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: scorer.processes }, work));
}
