// The child side of remote-gradients.ts: waits for parameters and batches, answers with losses and gradients.

import type { T5Config } from "../../shared/t5-config.ts";
import type { BackendChoice } from "../run-config.ts";
import { startTensorflow, tf } from "../tensorflow.ts";
import { flatten, unflatten } from "./flat.ts";
import { pretrainGradients, type TaskBatches } from "./losses.ts";

export interface GradientRequest {
  backend: BackendChoice;
  config: T5Config;
  layout: { name: string; shape: number[] }[];
  parameters: Float32Array;
  batches: TaskBatches;
}

export type GradientAnswer = { losses: Record<string, number>; gradients: Float32Array } | { error: string };

async function answer({ backend, config, layout, parameters, batches }: GradientRequest): Promise<GradientAnswer> {
  await startTensorflow(backend);
  const p = unflatten(parameters, layout);
  const { losses, gradients } = pretrainGradients(p, config, batches);
  const flat = flatten(
    gradients,
    layout.map(({ name }) => name),
  );
  tf.dispose([p, gradients]);
  return { losses, gradients: flat };
}

process.on("message", (request: GradientRequest) => {
  answer(request).then(
    (result) => process.send?.(result),
    (error: unknown) => process.send?.({ error: String(error) }),
  );
});
process.on("disconnect", () => process.exit());
