// The process behind `startScoringProcesses`: loads the reward model it is told of, then answers in turn.

import { answerRequests } from "../../io/child-process.ts";
import { startTensorflow } from "../../tensorflow/tensorflow.ts";
import { loadRewardModel, type RewardModel } from "../reward-model.ts";
import type { ScoringAnswer, ScoringRequest } from "./scoring-processes.ts";

let model: RewardModel | undefined;

answerRequests<ScoringRequest, ScoringAnswer>(async (request) => {
  if ("open" in request) {
    const { dir, options, precision } = request.open;
    await startTensorflow("tensorflow", precision);
    model = await loadRewardModel(dir, options);
    return [];
  }
  if (model === undefined) throw new Error("completions came before the reward model");
  return model.score(request.completions);
});
