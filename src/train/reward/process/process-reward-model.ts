// The process reward model: one pass scores all steps of a solution. The question goes through the encoder, the whole solution
// through the decoder, and P(yes) / (P(yes) + P(no)) is read where each step ends (layout: src/shared/process-reward.ts).

import { type Aggregation, aggregateScores } from "../../../shared/aggregate.ts";
import { yesScore } from "../../../shared/prompts.ts";
import { type FolderTokenizer, loadModel, loadTokenizer, type Model } from "../../store/model-folder.ts";
import { tf } from "../../tensorflow/tensorflow.ts";
import type { Completion, ScoredCompletion } from "../judge/llm-reward-model.ts";
import { type Solution, scoresOfCompletions, solutionBatches } from "./solution-batches.ts";
import { stepEndLogits } from "./step-end-logits.ts";

export interface ProcessRewardModelOptions {
  /** Default "mean". */
  aggregation?: Aggregation;
  /** Most tokens of questions and solutions, padding included, in one forward pass. Default 8192. */
  maxBatchTokens?: number;
}

const DEFAULTS: Required<ProcessRewardModelOptions> = {
  aggregation: "mean",
  maxBatchTokens: 8192,
};

export class ProcessRewardModel {
  readonly options: Required<ProcessRewardModelOptions>;
  private readonly model: Model;
  private readonly tokenizer: FolderTokenizer;

  /** Takes over the model: `dispose` frees its tensors. */
  constructor(model: Model, tokenizer: FolderTokenizer, options: ProcessRewardModelOptions = {}) {
    this.model = model;
    this.tokenizer = tokenizer;
    this.options = { ...DEFAULTS, ...options };
  }

  /** Loads a process reward model from a folder in Hugging Face layout. */
  static async load(dir: string, options: ProcessRewardModelOptions = {}): Promise<ProcessRewardModel> {
    const model = await loadModel(dir);
    return new ProcessRewardModel(model, await loadTokenizer(dir, model.config), options);
  }

  /**
   * Scores every step of every completion, in [0, 1], and aggregates them. Throws InputError for a completion without steps.
   * Equal solutions are scored once; batches hold solutions of like length.
   */
  score(completions: readonly Completion[], onProgress?: (done: number, total: number) => void): ScoredCompletion[] {
    const { tokenizer, model, options } = this;
    const { maxBatchTokens, aggregation } = options;
    const batches = solutionBatches(completions, { tokenizer, config: model.config, maxBatchTokens });
    const total = batches.reduce((sum, batch) => sum + batch.length, 0);
    let done = 0;
    const scored = batches.map((batch) => {
      const scores = this.scoreBatch(batch);
      done += batch.length;
      onProgress?.(done, total);
      return { batch, scores };
    });
    return scoresOfCompletions(completions, scored).map((stepScores) => ({
      stepScores,
      score: aggregateScores(stepScores, aggregation),
    }));
  }

  private scoreBatch(batch: readonly Solution[]): number[][] {
    const { parameters, config } = this.model;
    const answers = { yes: this.tokenizer.yesTokenId, no: this.tokenizer.noTokenId };
    const logits = tf.tidy(() => stepEndLogits(parameters, config, batch, answers).dataSync());
    let n = 0;
    return batch.map(({ stepEnds }) => stepEnds.map(() => yesScore(logits[n++] ?? Number.NaN, 0)));
  }

  dispose(): void {
    tf.dispose(this.model.parameters);
  }
}
