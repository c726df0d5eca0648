// The LLM reward model: a frozen T5 that is asked about every step of a solution whether it is correct, and answers with
// P(yes) / (P(yes) + P(no)) at its first decoder position. It never trains; its scores are constants to the policy's loss.

import { type Aggregation, aggregateScores } from "../../shared/aggregate.ts";
import { InputError } from "../../shared/errors.ts";
import { type JudgeContext, judgePrompt, TEMPLATE_VERSION, yesScore } from "../../shared/prompts.ts";
import { splitSteps } from "../../shared/steps.ts";
import type { T5Config } from "../../shared/t5-config.ts";
import { padRows } from "../model/batch.ts";
import { product } from "../model/gradients.ts";
import { type FolderTokenizer, loadModel, loadTokenizer, type Model } from "../model/model-folder.ts";
import type { Parameters } from "../model/parameters.ts";
import { decode, encode, head } from "../model/t5.ts";
import { type Tensor2D, tf } from "../tensorflow.ts";

export interface LLMRewardModelOptions {
  /** What the judge sees beside the step. Default "prefix". */
  context?: JudgeContext;
  /** Default "mean". */
  aggregation?: Aggregation;
  /** Most prompt tokens, padding included, in one forward pass. Default 8192. */
  maxBatchTokens?: number;
  /** Longer judge prompts lose their beginning (the question first), never the step itself. Default 512. */
  maxPromptTokens?: number;
}

const DEFAULTS: Required<LLMRewardModelOptions> = {
  context: "prefix",
  aggregation: "mean",
  maxBatchTokens: 8192,
  maxPromptTokens: 512,
};

export interface ScoredCompletion {
  stepScores: number[];
  score: number;
}

export interface Completion {
  prompt: string;
  completion: string;
}

/** Logits of "yes" and "no" at the first decoder position for judge prompts, batched by length. */
function yesNoLogits(
  p: Parameters,
  config: T5Config,
  inputIds: readonly (readonly number[])[],
  tokens: { yes: number; no: number },
): { yes: number; no: number }[] {
  return tf.tidy(() => {
    const start = {
      ids: tf.tensor1d(new Int32Array(inputIds.length).fill(config.decoderStartTokenId), "int32"),
      batch: inputIds.length,
      length: 1,
    };
    const hidden = decode(p, config, encode(p, config, padRows(inputIds, config.padTokenId)), start);
    const rows = tf.gather(head(p), tf.tensor1d([tokens.yes, tokens.no], "int32")) as Tensor2D;
    const logits = product(hidden, rows, false, true).dataSync();
    return inputIds.map((_, i) => ({ yes: logits[2 * i] ?? Number.NaN, no: logits[2 * i + 1] ?? Number.NaN }));
  });
}

export class LLMRewardModel {
  readonly options: Required<LLMRewardModelOptions>;
  private readonly model: Model;
  private readonly tokenizer: FolderTokenizer;

  /** Takes over the model: `dispose` frees its tensors. */
  constructor(model: Model, tokenizer: FolderTokenizer, options: LLMRewardModelOptions = {}) {
    this.model = model;
    this.tokenizer = tokenizer;
    this.options = { ...DEFAULTS, ...options };
  }

  /** Loads a reward model from a folder in Hugging Face layout. */
  static async load(dir: string, options: LLMRewardModelOptions = {}): Promise<LLMRewardModel> {
    const model = await loadModel(dir);
    return new LLMRewardModel(model, await loadTokenizer(dir, model.config), options);
  }

  /** What a cached score depends on beside the text and the weights. */
  static scoringKey(options: LLMRewardModelOptions): string {
    const { context, maxPromptTokens } = { ...DEFAULTS, ...options };
    return [TEMPLATE_VERSION, context, maxPromptTokens].join("/");
  }

  /** Token ids of one judge prompt, cut from the left when too long. */
  private encodePrompt(text: string): number[] {
    const ids = this.tokenizer.encode(text);
    return ids.length <= this.options.maxPromptTokens ? ids : ids.slice(ids.length - this.options.maxPromptTokens);
  }

  /**
   * Scores every step of every completion, in [0, 1], and aggregates them. Throws InputError for a completion without steps.
   * All prompts are sorted by length and batched together; steps that completions share are asked about once.
   */
  score(completions: readonly Completion[], onProgress?: (prompts: number, total: number) => void): ScoredCompletion[] {
    const texts = completions.map((completion, owner) => this.judgePrompts(completion, owner));
    const questions = [...new Set(texts.flat())]
      .map((text) => ({ text, ids: this.encodePrompt(text) }))
      .sort((a, b) => a.ids.length - b.ids.length);
    const scoreOf = new Map<string, number>();
    for (let start = 0; start < questions.length; ) {
      let end = start + 1;
      while ((end + 1 - start) * (questions[end]?.ids.length ?? Number.NaN) <= this.options.maxBatchTokens) end++;
      const batch = questions.slice(start, end);
      const scores = this.scoreBatch(batch.map(({ ids }) => ids));
      batch.forEach(({ text }, i) => {
        scoreOf.set(text, scores[i] ?? Number.NaN);
      });
      start = end;
      onProgress?.(start, questions.length);
    }
    return texts.map((own) => {
      const stepScores = own.map((text) => scoreOf.get(text) ?? Number.NaN);
      return { stepScores, score: aggregateScores(stepScores, this.options.aggregation) };
    });
  }

  /** One judge prompt a step. */
  private judgePrompts({ prompt, completion }: Completion, owner: number): string[] {
    const steps = splitSteps(completion);
    if (steps.length === 0) {
      throw new InputError({
        code: "no_steps",
        what: "a completion has no steps",
        where: `completion ${owner}`,
        fix: "Write one step a line.",
      });
    }
    return steps.map((_, index) => judgePrompt(prompt, steps, index, this.options.context));
  }

  private scoreBatch(inputIds: readonly (readonly number[])[]): number[] {
    const { parameters, config } = this.model;
    const tokens = { yes: this.tokenizer.yesTokenId, no: this.tokenizer.noTokenId };
    return yesNoLogits(parameters, config, inputIds, tokens).map(({ yes, no }) => yesScore(yes, no));
  }

  dispose(): void {
    tf.dispose(this.model.parameters);
  }
}
