// Best-of-N of one model: its samples with their scores, the greedy solutions of the same problems beside them.

import type { EvaluationItem } from "../data/problems/items.ts";
import { createProgress } from "../io/progress.ts";
import type { CheckedText } from "./check-text.ts";
import { bestOfCurves, type SampledItem } from "./metrics/best-of-n-metrics.ts";
import { type Column, columnOf, hasObservations, type Resampler } from "./metrics/bootstrap.ts";
import type { ModelRun } from "./model-run.ts";
import type { EvaluationSettings } from "./options.ts";
import type { BestOfN } from "./result.ts";
import type { StepScores } from "./step-scores.ts";

/** All curves of one model; `scorer` is the reward model's name, null without one. */
export function bestOfPart(
  run: ModelRun,
  items: readonly EvaluationItem[],
  scores: StepScores,
  context: {
    resampler: Resampler;
    settings: EvaluationSettings;
    scorer: string | null;
  },
): BestOfN {
  const { resampler, settings, scorer } = context;
  const isKnown = (unit: number): boolean => items[unit]?.gold !== null || items[unit]?.answer !== null;
  const sampled = run.sampled.flatMap(({ indices, checked }) =>
    indices.flatMap((unit, i): SampledItem[] => {
      const samples = checked[i] ?? [];
      const prompt = items[unit]?.prompt ?? "";
      return isKnown(unit) ? [{ unit, samples, stepScores: samples.map(({ text }) => scores(prompt, text)) }] : [];
    }),
  );
  const drawn = new Set(sampled.map(({ unit }) => unit));
  const greedyColumn = (of: (checked: CheckedText) => boolean | null, needsGold: boolean): Column =>
    columnOf(
      run.checked.map((checked, unit) =>
        drawn.has(unit) && (!needsGold || items[unit]?.gold !== null) ? of(checked) : null,
      ),
    );
  const greedy = {
    exact_match: greedyColumn(({ exact }) => exact, true),
    answer: greedyColumn(({ answerCorrect }) => answerCorrect, false),
  };
  const bar = createProgress({ title: `best of N (${run.info.name})`, total: sampled.length });
  try {
    return {
      role: run.info.role,
      problems: drawn.size,
      samples: settings.samples,
      temperature: settings.sampling.temperature,
      top_k: settings.sampling.topK,
      top_p: settings.sampling.topP,
      scorer,
      greedy: {
        exact_match: hasObservations(greedy.exact_match) ? resampler.mean(greedy.exact_match) : null,
        answer: resampler.mean(greedy.answer),
      },
      curves: bestOfCurves(sampled, {
        size: items.length,
        ns: settings.bestOf,
        scored: scorer !== null,
        resampler,
        seed: settings.seeds[0] ?? 0,
        greedy,
        onProgress: (done) => bar.update(done),
      }),
    };
  } finally {
    bar.stop();
  }
}
