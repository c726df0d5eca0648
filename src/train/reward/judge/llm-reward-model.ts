// The LLM reward model: a frozen T5 that is asked about every step of a solution whether it is correct, and answers with
// P(yes) / (P(yes) + P(no)) at its first decoder position. It never trains; its scores are constants to the policy's loss.

import { type Aggregation, aggregateScores } from "../../../shared/aggregate.ts";
import { InputError } from "../../../shared/errors.ts";
import { type JudgeContext, judgePrompt, TEMPLATE_VERSION, yesScore } from "../../../shared/prompts.ts";
import { splitSteps } from "../../../shared/steps.ts";
import type { T5Config } from "../../../shared/t5-config.ts";
import { type FolderTokenizer, loadModel, loadTokenizer, type Model } from "../../store/model-folder.ts";
import { tf } from "../../tensorflow/tensorflow.ts";
import { judgeLogits } from "./judge-pass.ts";
import { type JudgeWeights, judgeWeights } from "./judge-weights.ts";

export interface LLMRewardModelOptions {
  /** What the judge sees beside the step. Default "prefix". */
  context?: JudgeContext;
  /** Default "mean". */
  aggregation?: Aggregation;
  /** Most prompt tokens in one pass of the encoder. Default 1024: larger batches leave the processor's cache. */
  maxBatchTokens?: number;
  /** Longer judge prompts lose their beginning (the question first), never the step itself. Default 512. */
  maxPromptTokens?: number;
}

const DEFAULTS: Required<LLMRewardModelOptions> = {
  context: "prefix",
  aggregation: "mean",
  maxBatchTokens: 1024,
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

/** Judge prompts that the decoder reads at once; their encoder states are in memory together. */
const PROMPTS_AT_ONCE = 64;

/** Rows in their order, in batches of at most `maxTokens`, padding included, or of one row. */
function inBatches(rows: readonly (readonly number[])[], maxTokens: number): (readonly number[])[][] {
  const batches: (readonly number[])[][] = [];
  let longest = 0;
  for (const row of rows) {
    const batch = batches.at(-1);
    longest = Math.max(longest, row.length);
    if (batch !== undefined && (batch.length + 1) * longest <= maxTokens) batch.push(row);
    else {
      batches.push([row]);
      longest = row.length;
    }
  }
  return batches;
}

export class LLMRewardModel {
  readonly options: Required<LLMRewardModelOptions>;
  private readonly config: T5Config;
  private readonly weights: JudgeWeights;
  private readonly tokenizer: FolderTokenizer;

  /** Makes its own weights of the model, which stays the caller's; `dispose` frees them. */
  constructor(model: Model, tokenizer: FolderTokenizer, options: LLMRewardModelOptions = {}) {
    this.config = model.config;
    const answers = { yes: tokenizer.yesTokenId, no: tokenizer.noTokenId };
    this.weights = judgeWeights(model.parameters, model.config, answers);
    this.tokenizer = tokenizer;
    this.options = { ...DEFAULTS, ...options };
  }

  /** Loads a reward model from a folder in Hugging Face layout. */
  static async load(dir: string, options: LLMRewardModelOptions = {}): Promise<LLMRewardModel> {
    const model = await loadModel(dir);
    const judge = new LLMRewardModel(model, await loadTokenizer(dir, model.config), options);
    tf.dispose(model.parameters); // the judge has what it needs of them, in half the memory
    return judge;
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
    for (let start = 0; start < questions.length; start += PROMPTS_AT_ONCE) {
      const part = questions.slice(start, start + PROMPTS_AT_ONCE);
      const batches = inBatches(
        part.map(({ ids }) => ids),
        this.options.maxBatchTokens,
      );
      judgeLogits(this.weights, this.config, batches).forEach(({ yes, no }, i) => {
        scoreOf.set(part[i]?.text ?? "", yesScore(yes, no));
      });
      onProgress?.(start + part.length, questions.length);
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

  dispose(): void {
    tf.dispose(this.weights);
  }
}
