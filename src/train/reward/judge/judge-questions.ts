// The questions that judging completions asks: one prompt a step, shared ones once, sorted by length; and the answers as step scores.

import { type Aggregation, aggregateScores } from "../../../shared/aggregate.ts";
import { type JudgeContext, judgePrompt } from "../../../shared/prompts.ts";
import { completionSteps } from "../completion-steps.ts";

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

export const JUDGE_DEFAULTS: Required<LLMRewardModelOptions> = {
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
export const PROMPTS_AT_ONCE = 64;

/** Rows in their order, in batches of at most `maxTokens`, padding included, or of one row. */
export function inBatches(rows: readonly (readonly number[])[], maxTokens: number): (readonly number[])[][] {
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

/** A judge prompt and its tokens. */
export interface Question {
  text: string;
  ids: number[];
}

/** All questions of `completions`, and how answers (scores by question text) become the completions' scores. */
export interface Questions {
  questions: Question[];
  scored(scoreOf: ReadonlyMap<string, number>): ScoredCompletion[];
}

/** Steps that completions share are asked about once; short questions first. Throws InputError for a completion without steps. */
export function judgeQuestions(
  completions: readonly Completion[],
  encode: (text: string) => number[],
  { context, aggregation, maxPromptTokens }: Required<LLMRewardModelOptions>,
): Questions {
  const texts = completions.map((completion, owner) => judgePrompts(completion, owner, context));
  const questions = [...new Set(texts.flat())]
    .map((text) => ({ text, ids: encode(text).slice(-maxPromptTokens) }))
    .sort((a, b) => a.ids.length - b.ids.length);
  return {
    questions,
    scored: (scoreOf) =>
      texts.map((own) => {
        const stepScores = own.map((text) => scoreOf.get(text) ?? Number.NaN);
        return { stepScores, score: aggregateScores(stepScores, aggregation) };
      }),
  };
}

/** One judge prompt a step. */
function judgePrompts({ prompt, completion }: Completion, owner: number, context: JudgeContext): string[] {
  const steps = completionSteps(completion, owner);
  return steps.map((_, index) => judgePrompt(prompt, steps, index, context));
}
