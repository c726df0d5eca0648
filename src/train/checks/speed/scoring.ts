// How much faster one pass is than judging step by step: the same weights score the same solutions in both ways, turn about in one run,
// so that a machine that slows down slows both. What the weights have learned makes no difference to the time.

import { splitSteps } from "../../../shared/steps.ts";
import { loadPairs } from "../../data/pairs/load-pairs.ts";
import { type Completion, LLMRewardModel } from "../../reward/judge/llm-reward-model.ts";
import { ProcessRewardModel } from "../../reward/process/process-reward-model.ts";
import type { RewardModel } from "../../reward/reward-model.ts";
import { loadModel, loadTokenizer } from "../../store/model-folder.ts";
import type { BackendChoice } from "../../tensorflow/backends.ts";
import { checkFolder } from "./check-folder.ts";
import { median } from "./median.ts";
import { startMeasured } from "./processor.ts";

export interface ScoringBenchOptions {
  /** Folder of a T5; a process reward model or not. */
  modelDir: string;
  /** Preference pairs, both of whose sides are scored: a folder or file. */
  data: string;
  /** Pairs to score. Default 100. */
  pairs?: number | undefined;
  /** Timed rounds of both ways; the median counts. Default 3. */
  rounds?: number | undefined;
  backend?: BackendChoice | undefined;
}

/** Times in milliseconds, medians over the rounds. */
export interface ScoringBench {
  bench: "scoring";
  backend: string;
  model: string;
  completions: number;
  steps: number;
  one_pass_ms: number;
  step_by_step_ms: number;
  one_pass_steps_per_second: number;
  step_by_step_steps_per_second: number;
  /** step_by_step_ms / one_pass_ms. */
  speedup: number;
}

/** Measures both ways. Throws InputError when the data holds no pair, ArtifactError for a folder that is no T5. */
export async function benchScoring(options: ScoringBenchOptions): Promise<ScoringBench> {
  const { modelDir, data, pairs = 100, rounds = 3 } = options;
  await checkFolder(modelDir);
  const backend = await startMeasured(options.backend);
  const loaded = await loadPairs(data);
  const completions = loaded.pairs.slice(0, pairs).flatMap(({ prompt, chosen, rejected }): Completion[] => [
    { prompt, completion: chosen },
    { prompt, completion: rejected },
  ]);
  const steps = completions.reduce((sum, { completion }) => sum + splitSteps(completion).length, 0);
  const model = await loadModel(modelDir);
  const tokenizer = await loadTokenizer(modelDir, model.config);
  const onePass: RewardModel = new ProcessRewardModel(model, tokenizer);
  const stepByStep: RewardModel = new LLMRewardModel(model, tokenizer);
  try {
    const times = { onePass: [] as number[], stepByStep: [] as number[] };
    const warmUp = completions.slice(0, 8);
    for (const way of [onePass, stepByStep]) way.score(warmUp);
    for (let round = 0; round < rounds; round++) {
      times.onePass.push(timeOf(onePass, completions));
      times.stepByStep.push(timeOf(stepByStep, completions));
    }
    const [one, many] = [median(times.onePass), median(times.stepByStep)];
    return {
      bench: "scoring",
      backend,
      model: modelDir,
      completions: completions.length,
      steps,
      one_pass_ms: one,
      step_by_step_ms: many,
      one_pass_steps_per_second: (1000 * steps) / one,
      step_by_step_steps_per_second: (1000 * steps) / many,
      speedup: many / one,
    };
  } finally {
    onePass.dispose(); // with the model's own weights, of which the other made its own
    stepByStep.dispose();
  }
}

function timeOf(model: RewardModel, completions: readonly Completion[]): number {
  const started = performance.now();
  model.score(completions);
  return performance.now() - started;
}
