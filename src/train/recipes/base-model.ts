// The small base model from nothing to a folder with its card: tokenizer and random weights, pretraining, figures on held-out problems.

import { join } from "node:path";
import { vocabularyWords } from "../data/arithmetic/wording.ts";
import { type BaseModelReport, evaluateBaseModel } from "../evaluate/base-model.ts";
import { loadModel, loadTokenizer } from "../model/model-folder.ts";
import { writeBaseModelCard } from "../pretrain/base-model-card.ts";
import { initModel } from "../pretrain/init-model.ts";
import { nanoConfig } from "../pretrain/nano-config.ts";
import { nanoTokenizer } from "../pretrain/nano-tokenizer.ts";
import { currentBackend, tf } from "../tensorflow.ts";
import { type PretrainOptions, pretrain } from "./pretrain.ts";

export interface BaseModelOptions extends Omit<PretrainOptions, "modelDir"> {
  /** Held-out problems that the result is measured on. */
  evaluationProblems: number;
}

/** Makes (or, with `resume`, goes on making) the model in `outputDir`; returns its figures. */
export async function makeBaseModel(options: BaseModelOptions): Promise<BaseModelReport> {
  const { outputDir, seed, evaluationProblems } = options;
  const modelDir = join(outputDir, "initial");
  if (!options.resume) {
    const { tokenizerJson, tokenizerConfig, size } = nanoTokenizer(vocabularyWords());
    await initModel({ dir: modelDir, config: nanoConfig(size), tokenizerJson, tokenizerConfig, seed });
  }
  await pretrain({ ...options, modelDir });
  const model = await loadModel(outputDir);
  const tokenizer = await loadTokenizer(outputDir, model.config);
  const report = evaluateBaseModel(model, tokenizer, { problems: evaluationProblems, seed });
  const parameters = Object.values(model.parameters).reduce((sum, { size }) => sum + size, 0);
  tf.dispose(model.parameters);
  await writeBaseModelCard(outputDir, { report, parameters, seed, steps: options.steps, backend: currentBackend() });
  return report;
}
