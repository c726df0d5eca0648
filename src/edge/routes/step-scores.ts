// Scores of the steps that the policy has written, for `score_steps`: all at the end, or each as it is complete.

import type { Aggregation } from "../../shared/aggregate.ts";
import { NEXT_STEP } from "../../shared/process-reward.ts";
import { splitSteps } from "../../shared/steps.ts";
import type { Scoring } from "../engine/judge.ts";
import type { AppDeps } from "../http/app-env.ts";
import type { Call } from "../http/call.ts";
import { meter } from "../http/meter.ts";

export interface StepScore {
  index: number;
  text: string;
  score: number;
}

type Deps = Pick<AppDeps, "engine" | "settings" | "metrics" | "accounts">;

/** Scores of texts that the policy wrote for one prompt; a text without a step has none, and no score. */
export async function scoreTexts(
  deps: Deps,
  call: Call,
  written: { prompt: string; texts: readonly string[]; aggregation?: Aggregation | undefined },
): Promise<{ score: number | null; steps: StepScore[] }[]> {
  const { prompt, texts, aggregation = deps.settings.AGGREGATION } = written;
  const asked = texts.map(splitSteps);
  const solutions = asked.filter((steps) => steps.length > 0);
  if (solutions.length === 0) return texts.map(() => ({ score: null, steps: [] }));
  const { completions } = await scoreSteps(deps, call, prompt, { solutions, aggregation });
  const scores = completions.values();
  return asked.map((steps) => {
    const scored = steps.length === 0 ? undefined : scores.next().value;
    if (scored === undefined) return { score: null, steps: [] };
    return { score: scored.score, steps: scored.steps.map((step, index) => ({ index, ...step })) };
  });
}

async function scoreSteps(
  deps: Deps,
  call: Call,
  prompt: string,
  {
    solutions,
    aggregation,
    from = 0,
  }: { solutions: readonly (readonly { text: string }[])[]; aggregation: Aggregation; from?: number },
): Promise<Scoring> {
  const { engine, settings } = deps;
  return engine.score({
    prompt,
    completions: solutions.map((steps) => ({ field: "score_steps", steps, from })),
    aggregation,
    context: settings.JUDGE_CONTEXT,
    signal: call.signal,
    onUsed: meter(deps, call),
  });
}

/** Hears a text grow, and tells the score of each step in order, one request at a time. */
export function createStepScorer(deps: Deps, call: Call, prompt: string, tell: (step: StepScore) => void) {
  let told = 0;
  let work: Promise<void> = Promise.resolve();
  const scoreUpTo = (steps: readonly { text: string }[], isWhole: boolean) => {
    if (steps.length <= told) return;
    const from = told;
    told = steps.length;
    work = work.then(async () => {
      const { reward } = await deps.engine.load();
      const isProcess = reward.manifest.reward?.type === "process";
      const asked = isProcess && !isWhole ? [...steps, NEXT_STEP] : steps;
      const { completions } = await scoreSteps(deps, call, prompt, {
        solutions: [asked],
        from,
        aggregation: deps.settings.AGGREGATION,
      });
      for (const [at, step] of (completions[0]?.steps ?? []).entries()) {
        if (from + at < steps.length) tell({ index: from + at, ...step });
      }
    });
    // a failure is told by `finish`
    work.catch(() => undefined);
  };
  return {
    /** The text so far: what another step follows is complete. */
    grow(text: string): void {
      const end = text.trimEnd().lastIndexOf("\n");
      if (end >= 0) scoreUpTo(splitSteps(text.slice(0, end)), false);
    },
    /** The whole text; resolves when every step was told. */
    finish(text: string): Promise<void> {
      scoreUpTo(splitSteps(text), true);
      return work;
    },
  };
}
