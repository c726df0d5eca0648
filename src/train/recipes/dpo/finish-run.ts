// What a finished DPO run leaves beside its model and what every run does: samples, card.

import { join } from "node:path";
import { writeJson } from "../../io/write-text.ts";
import type { TrainConfig } from "./config.ts";
import type { TrainingData } from "./data.ts";
import { writeModelCard } from "./model-card.ts";
import type { Sample } from "./samples.ts";

export interface FinishedRun {
  config: TrainConfig;
  /** For the card: names of base and reward model (undefined: none was asked), and what computed. */
  baseModel: string;
  rewardModel: string | undefined;
  backend: string;
  data: TrainingData;
  /** Evaluation before and after; empty without evaluation pairs. */
  before: Record<string, number>;
  after: Record<string, number>;
  samples: { before: Sample[]; after: Sample[] };
}

/** Writes both into `outputDir`. */
export async function writeFinishedRun(outputDir: string, run: FinishedRun): Promise<void> {
  const { config, data, before, after } = run;
  await writeJson(join(outputDir, "samples.json"), run.samples);
  await writeModelCard(outputDir, {
    config,
    baseModel: run.baseModel,
    rewardModel: run.rewardModel,
    backend: run.backend,
    pairs: { train: data.train.length, eval: data.eval.length },
    judgedPairs: data.judged,
    margins: data.margins,
    results: { ...labelled(before, "before"), ...labelled(after, "after") },
  });
}

function labelled(values: Record<string, number>, when: string): Record<string, number> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [`${name}, ${when}`, value]));
}
