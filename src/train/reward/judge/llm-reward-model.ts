// The LLM reward model: a frozen T5 that is asked about every step of a solution whether it is correct, and answers with
// P(yes) / (P(yes) + P(no)) at its first decoder position. It never trains; its scores are constants to the policy's loss.

import { TEMPLATE_VERSION, yesScore } from "../../../shared/prompts.ts";
import type { T5Config } from "../../../shared/t5-config.ts";
import { type FolderTokenizer, loadModel, loadTokenizer, type Model } from "../../store/model-folder.ts";
import { tf } from "../../tensorflow/tensorflow.ts";
import { judgeLogits } from "./judge-pass.ts";
import {
  type Completion,
  inBatches,
  JUDGE_DEFAULTS,
  judgeQuestions,
  type LLMRewardModelOptions,
  PROMPTS_AT_ONCE,
  type ScoredCompletion,
} from "./judge-questions.ts";
import { type JudgeWeights, judgeWeights } from "./judge-weights.ts";

export type { Completion, LLMRewardModelOptions, ScoredCompletion };

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
    this.options = { ...JUDGE_DEFAULTS, ...options };
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
    const { context, maxPromptTokens } = { ...JUDGE_DEFAULTS, ...options };
    return [TEMPLATE_VERSION, context, maxPromptTokens].join("/");
  }

  /**
   * Scores every step of every completion, in [0, 1], and aggregates them. Throws InputError for a completion without steps.
   * All prompts are sorted by length and batched together; steps that completions share are asked about once.
   */
  score(completions: readonly Completion[], onProgress?: (prompts: number, total: number) => void): ScoredCompletion[] {
    const { questions, scored } = judgeQuestions(completions, (text) => this.tokenizer.encode(text), this.options);
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
    return scored(scoreOf);
  }

  dispose(): void {
    tf.dispose(this.weights);
  }
}
