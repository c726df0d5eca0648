// The small base model from nothing to a folder with its card: tokenizer and random weights, pretraining, figures on held-out problems.

import { join } from "node:path";
import { vocabularyWords } from "../../data/arithmetic/wording.ts";
import { loadModel, loadTokenizer } from "../../store/model-folder.ts";
import { currentBackend, tf } from "../../tensorflow/tensorflow.ts";
import { firstStep } from "../run/run-folder.ts";
import type { RunOptions } from "../run/run-options.ts";
import { writeBaseModelCard } from "./base-model-card.ts";
import { type BaseModelReport, evaluateBaseModel } from "./base-model-report.ts";
import { initModel } from "./init-model.ts";
import { nanoConfig } from "./nano-config.ts";
import { nanoTokenizer } from "./nano-tokenizer.ts";
import { type PretrainConfig, pretrain } from "./recipe.ts";

export interface BaseModelConfig extends Omit<PretrainConfig, "modelDir"> {
  /** Held-out problems that the result is measured on. */
  evaluationProblems: number;
}

/** Makes (or, with `resume`, goes on making) the model in `outputDir`; returns its figures. Throws as `pretrain` does. */
export async function makeBaseModel(
  config: BaseModelConfig,
  run: Omit<RunOptions, "exportOnnx"> = {},
): Promise<BaseModelReport> {
  const { outputDir, seed, evaluationProblems, ...settings } = config;
  const modelDir = join(outputDir, "initial");
  if ((await firstStep(outputDir, run)) === 0) {
    const { tokenizerJson, tokenizerConfig, size } = nanoTokenizer(vocabularyWords());
    await initModel({ dir: modelDir, config: nanoConfig(size), tokenizerJson, tokenizerConfig, seed });
  }
  await pretrain({ ...settings, outputDir, seed, modelDir }, run);
  const model = await loadModel(outputDir);
  const tokenizer = await loadTokenizer(outputDir, model.config);
  const report = await evaluateBaseModel(model, tokenizer, { problems: evaluationProblems, seed });
  const parameters = Object.values(model.parameters).reduce((sum, { size }) => sum + size, 0);
  tf.dispose(model.parameters);
  await writeBaseModelCard(outputDir, { report, parameters, seed, steps: config.steps, backend: currentBackend() });
  return report;
}
