// What the playground's tests stand on: the models that ship, in a real worker.

import { join } from "node:path";
import { type LocalWorker, type LocalWorkerOptions, startLocalWorker } from "../../../src/infer/local-worker.ts";
import { exportedModels } from "../../../src/train/onnx/export/exported-models.ts";

const MODELS = join(import.meta.dirname, "../../../data/models");
const POLICY = join(MODELS, "stepwise-t5-nano");
const REWARD = join(MODELS, "stepwise-t5-nano-prm");

/** The exported folders of the models that ship. */
export function shippedModels(): Promise<{ policyDir: string; rewardDir: string }> {
  return exportedModels({ policy: POLICY, reward: REWARD }, () => undefined);
}

/** A worker with the models that ship and the playground. */
export async function startPlayground(options: Partial<LocalWorkerOptions> = {}): Promise<LocalWorker> {
  return startLocalWorker({ ...(await shippedModels()), playground: true, ...options });
}
