// The record of a rollout: one object a problem, with its samples, as it stands in rollouts.jsonl. snake_case as in the file.

import { z } from "zod";

const sampleSchema = z.object({
  /** Steps, one a line; empty when the policy wrote none. */
  completion: z.string(),
  /** One a step, in [0, 1], by the scorer of the run. */
  step_scores: z.array(z.number()),
  /** One a step, by the symbolic checker; only where a worked solution is known. */
  step_labels: z.array(z.boolean()).optional(),
  /** Aggregate of the step scores; 0 without steps. */
  score: z.number(),
  /** All steps right, none missing, and the answer: only where a worked solution is known. */
  exact: z.boolean().optional(),
  /** Only where the answer is known. */
  answer_correct: z.boolean().optional(),
  /** Ended by itself, not by the longest length. */
  finished: z.boolean(),
  /** Tokens written, the end token included. */
  tokens: z.number().int(),
  /** Share of Monte Carlo continuations from each step's end that reach the right answer. */
  soft_labels: z.array(z.number()).optional(),
});

const branchSchema = z.object({
  /** Right steps that it continues, one a line; empty at the start. */
  prefix: z.string(),
  step: z.string(),
  right: z.boolean(),
  score: z.number(),
});

export const rolloutSchema = z.object({
  prompt: z.string(),
  gold: z.string().optional(),
  answer: z.string().optional(),
  samples: z.array(sampleSchema),
  /** Single next steps, written again from the right start of a wrong sample. */
  branches: z.array(branchSchema).optional(),
  /** Tokens written beside those of the samples: branches, continuations that a search dropped. */
  extra_tokens: z.number().int().optional(),
});

export type RolloutSample = z.infer<typeof sampleSchema>;
export type RolloutBranch = z.infer<typeof branchSchema>;
export type Rollout = z.infer<typeof rolloutSchema>;

/** A problem to be solved; `gold` is a worked solution that the symbolic checker reads, `answer` the final answer, normalised. */
export interface RolloutProblem {
  prompt: string;
  gold?: string | undefined;
  answer?: string | undefined;
}

/** Whether the sample solves its problem: exactly where that is known, else by its answer; undefined when neither is known. */
export function isRight(sample: Pick<RolloutSample, "exact" | "answer_correct">): boolean | undefined {
  return sample.exact ?? sample.answer_correct;
}

/** From this score on a step that no checker has judged counts as right. */
export const RIGHT_SCORE = 0.5;

/** Whether step `index` is right: by its label, else by its score. */
export function stepIsRight(sample: Pick<RolloutSample, "step_labels" | "step_scores">, index: number): boolean {
  return sample.step_labels?.[index] ?? (sample.step_scores[index] ?? 0) >= RIGHT_SCORE;
}

/** Tokens that a problem has cost. */
export function tokensOf({ samples, extra_tokens = 0 }: Rollout): number {
  return samples.reduce((sum, { tokens }) => sum + tokens, extra_tokens);
}
