// The small base model, from nothing or from one trained before, to a folder with its card: tokenizer and random weights, pretraining, figures on held-out problems.

import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { vocabularyWords } from "../../data/arithmetic/wording.ts";
import { loadTrainerState, TRAINER_STATE_FILE } from "../../io/trainer-state.ts";
import { loadModel, loadTokenizer } from "../../store/model-folder.ts";
import { currentBackend, tf } from "../../tensorflow/tensorflow.ts";
import { finishedRun } from "../run/resume.ts";
import { firstStep } from "../run/run-folder.ts";
import { withRunLock } from "../run/run-lock.ts";
import type { RunOptions } from "../run/run-options.ts";
import { CARD_FILE, writeBaseModelCard } from "./base-model-card.ts";
import { type BaseModelReport, evaluateBaseModel } from "./base-model-report.ts";
import { initModel } from "./init-model.ts";
import { nanoConfig } from "./nano-config.ts";
import { nanoTokenizer } from "./nano-tokenizer.ts";
import { type PretrainConfig, pretrain } from "./recipe.ts";

export interface BaseModelConfig extends Omit<PretrainConfig, "modelDir"> {
  /** Held-out problems that the result is measured on. */
  evaluationProblems: number;
}

/**
 * Makes (or, with `resume`, goes on making) the model in `outputDir`, which no other run may write to meanwhile; returns its figures. Throws
 * as `pretrain` does, and InputError "run_finished" where it is made, with as many steps.
 */
export async function makeBaseModel(
  config: BaseModelConfig,
  run: Omit<RunOptions, "exportOnnx"> = {},
): Promise<BaseModelReport> {
  return withRunLock(config.outputDir, () => make(config, run));
}

async function make(config: BaseModelConfig, run: Omit<RunOptions, "exportOnnx">): Promise<BaseModelReport> {
  if (run.resume === true) await refuseFinished(config);
  const { outputDir, seed, evaluationProblems, from, ...settings } = config;
  const modelDir = from ?? join(outputDir, "initial");
  if (from === undefined && (await firstStep(outputDir, run)) === 0) {
    const { tokenizerJson, tokenizerConfig, size } = nanoTokenizer(vocabularyWords());
    await initModel({ dir: modelDir, config: nanoConfig(size), tokenizerJson, tokenizerConfig, seed });
  }
  await rm(join(outputDir, CARD_FILE), { force: true }); // it comes last, and tells that all is done
  await pretrain({ ...settings, ...(from !== undefined && { from }), outputDir, seed, modelDir }, run);
  const model = await loadModel(outputDir);
  const tokenizer = await loadTokenizer(outputDir, model.config);
  const report = await evaluateBaseModel(model, tokenizer, { problems: evaluationProblems, seed });
  const parameters = Object.values(model.parameters).reduce((sum, { size }) => sum + size, 0);
  tf.dispose(model.parameters);
  await writeBaseModelCard(outputDir, {
    report,
    parameters,
    seed,
    steps: config.steps,
    from,
    misreadShare: config.misreadShare,
    backend: currentBackend(),
  });
  return report;
}

async function refuseFinished({ outputDir, steps }: BaseModelConfig): Promise<void> {
  const isDone = [TRAINER_STATE_FILE, CARD_FILE].every((file) => existsSync(join(outputDir, file)));
  if (!isDone || (await loadTrainerState(outputDir)).global_step < steps) return;
  throw await finishedRun(
    outputDir,
    "To train longer: --steps with more. To start anew: --overwrite in place of --resume.",
  );
}
