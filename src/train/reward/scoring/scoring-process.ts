// A process behind `startScoringProcesses`: loads the reward model it is told of, then answers in turn. It ends with its parent.

import { startTensorflow } from "../../tensorflow/tensorflow.ts";
import { loadRewardModel, type RewardModel } from "../reward-model.ts";
import type { ScoringAnswer, ScoringRequest } from "./scoring-processes.ts";

let model: Promise<RewardModel> | undefined;

async function answer(request: ScoringRequest): Promise<ScoringAnswer> {
  if ("open" in request) {
    const { dir, options, precision } = request.open;
    model = startTensorflow("tensorflow", precision).then(() => loadRewardModel(dir, options));
    await model;
    return { scored: [] };
  }
  if (model === undefined) throw new Error("completions came before the reward model");
  return { scored: (await model).score(request.completions) };
}

process.on("message", (request: ScoringRequest) => {
  answer(request).then(
    (result) => process.send?.(result),
    (error: unknown) => process.send?.({ error: String(error) } satisfies ScoringAnswer),
  );
});
process.on("disconnect", () => process.exit());
// Ctrl-C reaches the whole group; the parent decides what is finished first
process.on("SIGINT", () => {});
