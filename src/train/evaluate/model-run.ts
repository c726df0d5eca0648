// Everything that is asked of one model: greedy solutions, samples, log-probabilities of the pairs. Loaded, asked, freed.

import { existsSync } from "node:fs";
import { join } from "node:path";
import type { EvaluationItem } from "../data/problems/items.ts";
import { loadTrainerState, TRAINER_STATE_FILE } from "../io/trainer-state.ts";
import { hashModel } from "../store/hash.ts";
import { loadModel, loadTokenizer } from "../store/model-folder.ts";
import { modelName } from "../store/model-id.ts";
import { tf } from "../tensorflow/tensorflow.ts";
import { type CheckedText, checkText } from "./check-text.ts";
import { type PairLogps, pairLogps } from "./preference-metrics.ts";
import type { EvaluationResult, ModelInfo, Role } from "./result.ts";
import { type SamplePlan, type SeedSolutions, type Solution, solveAll } from "./solutions.ts";

export interface ModelRun {
  info: ModelInfo;
  /** Empty when nothing was solved. */
  greedy: Solution[];
  checked: CheckedText[];
  sampled: (SeedSolutions & { checked: CheckedText[][] })[];
  pairs: PairLogps[];
  droppedPairs: Record<string, number>;
  training: EvaluationResult["training"];
}

/** A model to evaluate: its folder, and the folder or Hub id that was given. */
export interface ModelToRun {
  role: Role;
  dir: string;
  path: string;
}

async function trainingLog({ role, dir }: ModelToRun): Promise<EvaluationResult["training"]> {
  if (!existsSync(join(dir, TRAINER_STATE_FILE))) return [];
  const { log_history } = await loadTrainerState(dir);
  return log_history.length === 0 ? [] : [{ role, log_history }];
}

/** Runs one model over all items. Throws the errors of its parts, and the signal's reason. */
export async function runModel(
  model: ModelToRun,
  items: readonly EvaluationItem[],
  options: {
    solve: boolean;
    plan: SamplePlan | undefined;
    preference: boolean;
    maxNewTokens: number;
    signal: AbortSignal | undefined;
  },
): Promise<ModelRun> {
  const { signal, maxNewTokens } = options;
  const name = modelName(model.path, model.dir);
  const { dir } = model;
  const loaded = await loadModel(dir);
  try {
    const tokenizer = await loadTokenizer(dir, loaded.config);
    const prompts = items.map(({ prompt }) => prompt);
    const { greedy, sampled } = options.solve
      ? await solveAll(dir, tokenizer, prompts, { maxNewTokens, name, signal, plan: options.plan })
      : { greedy: [], sampled: [] };
    const { pairs, dropped } = options.preference
      ? await pairLogps(loaded, tokenizer, items, { name, signal })
      : { pairs: [], dropped: {} };
    const check = (unit: number, texts: readonly Solution[]): CheckedText[] => {
      const item = items[unit];
      return item === undefined ? [] : texts.map(({ text }) => checkText(item, text));
    };
    return {
      info: {
        role: model.role,
        name,
        path: model.path,
        parameters: Object.values(loaded.parameters).reduce((sum, { size }) => sum + size, 0),
        sha256: await hashModel(dir),
      },
      greedy,
      checked: greedy.flatMap((solution, unit) => check(unit, [solution])),
      sampled: sampled.map((run) => ({
        ...run,
        checked: run.indices.map((unit, i) => check(unit, run.samples[i] ?? [])),
      })),
      pairs,
      droppedPairs: dropped,
      training: await trainingLog(model),
    };
  } finally {
    tf.dispose(loaded.parameters);
  }
}
