// Step scores of many texts by the reward model, each text once, in parts so that Ctrl-C is heard. A text without steps has none.

import { setImmediate as turnOfEventLoop } from "node:timers/promises";
import { splitSteps } from "../../shared/steps.ts";
import { createProgress } from "../io/progress.ts";
import type { Completion } from "../reward/judge/llm-reward-model.ts";
import { scoreAll } from "../reward/scoring/score-all.ts";
import type { Scorer } from "../reward/scoring/scoring-processes.ts";

/** Step scores of a solution; undefined when it was not scored, empty when it has no steps. */
export type StepScores = (prompt: string, completion: string) => readonly number[] | undefined;

const keyOf = ({ prompt, completion }: Completion): string => JSON.stringify([prompt, completion]);

/** Nothing was scored. */
export const NO_SCORES: StepScores = () => undefined;

/** Scores all completions. Throws the signal's reason when it is aborted. */
export async function scoreSteps(
  scorer: Scorer,
  completions: readonly Completion[],
  signal?: AbortSignal,
): Promise<StepScores> {
  const scores = new Map<string, readonly number[]>();
  const open: Completion[] = [];
  for (const completion of completions) {
    const key = keyOf(completion);
    if (scores.has(key)) continue;
    scores.set(key, []);
    if (splitSteps(completion.completion).length > 0) open.push(completion);
  }
  const bar = createProgress({ title: "score steps", total: open.length });
  try {
    let done = 0;
    signal?.throwIfAborted();
    await scoreAll(scorer, open, async (part, scored) => {
      part.forEach((completion, i) => {
        scores.set(keyOf(completion), scored[i]?.stepScores ?? []);
      });
      done += part.length;
      bar.update(done);
      await turnOfEventLoop();
      signal?.throwIfAborted();
    });
  } finally {
    bar.stop();
  }
  return (prompt, completion) => scores.get(keyOf({ prompt, completion }));
}
