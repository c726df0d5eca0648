// The frozen model that scores the steps of solutions, of whichever kind its folder says it is: a trained process reward model
// (reward_model.json lies in the folder), or any other T5 as a zero-shot judge.

import { InputError } from "../../shared/errors.ts";
import { TEMPLATE_VERSION } from "../../shared/prompts.ts";
import { hashModel } from "../store/hash.ts";
import { readRewardModelFile } from "../store/reward-model-file.ts";
import {
  type Completion,
  LLMRewardModel,
  type LLMRewardModelOptions,
  type ScoredCompletion,
} from "./judge/llm-reward-model.ts";
import { ProcessRewardModel } from "./process/process-reward-model.ts";

export { readRewardModelFile };

export interface RewardModel {
  /** Scores every step, in [0, 1], and aggregates; in the order given. Throws InputError for a completion without steps. */
  score(completions: readonly Completion[], onProgress?: (done: number, total: number) => void): ScoredCompletion[];
  /** Frees the weights. */
  dispose(): void;
}

/** `context` belongs to the zero-shot judge: a process reward model always reads the question and the steps before. */
export type RewardModelOptions = LLMRewardModelOptions;

/** Loads the reward model of a folder in Hugging Face layout; the caller disposes it. TensorFlow must be running. */
export async function loadRewardModel(dir: string, options: RewardModelOptions = {}): Promise<RewardModel> {
  if ((await readRewardModelFile(dir)) === undefined) return LLMRewardModel.load(dir, options);
  refuseContext(dir, options);
  return ProcessRewardModel.load(dir, options);
}

/** What a kept score depends on beside the text: the files of the model, its kind, and how it is asked. */
export async function rewardModelKey(dir: string, options: RewardModelOptions = {}): Promise<string> {
  const hash = await hashModel(dir);
  if ((await readRewardModelFile(dir)) === undefined) return `${hash}/${LLMRewardModel.scoringKey(options)}`;
  refuseContext(dir, options);
  return `${hash}/process/${TEMPLATE_VERSION}`;
}

/** Refuses what only a judge can be asked: InputError. */
export function refuseContext(dir: string, { context = "prefix" }: RewardModelOptions): void {
  if (context === "prefix") return;
  throw new InputError({
    code: "no_judge_context",
    what: `a process reward model reads the question and all earlier steps; it cannot be asked with context "${context}"`,
    where: dir,
    fix: 'Leave the context out (or "prefix"), or use a zero-shot judge.',
  });
}
