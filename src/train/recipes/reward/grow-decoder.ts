// Further decoder layers on top of a model's own. At each position the top layer of a language model holds the token that it would write
// next, so only a layer above it can compare that token with the one that was written. The new layers change nothing at first: what they
// add to the residual stream is zero, and the model still reads and answers as before.

import { createRng } from "../../../shared/rng.ts";
import type { T5Config } from "../../../shared/t5-config.ts";
import { parameterSpecs } from "../../model/parameters.ts";
import type { Model } from "../../store/model-folder.ts";
import { type Tensor, tf } from "../../tensorflow/tensorflow.ts";
import { initialDeviation, normal } from "../pretrain/init-model.ts";

/** Projections that write to the residual stream. */
const OUTPUTS = /\.(o|wo)\.weight$/;

/** Takes over the model's tensors and returns it with `layers` more decoder layers; the same seed gives the same weights. */
export function growDecoder(model: Model, layers: number, seed: number): Model {
  if (layers === 0) return model;
  const config: T5Config = { ...model.config, numDecoderLayers: model.config.numDecoderLayers + layers };
  const rng = createRng(seed);
  const grown: Record<string, Tensor> = {};
  for (const { name, shape, transposed } of parameterSpecs(config, "lm_head.weight" in model.parameters)) {
    const known = model.parameters[name];
    if (known !== undefined) {
      grown[name] = known;
      continue;
    }
    const inMemory = transposed ? shape.toReversed() : shape;
    const deviation = initialDeviation(name, config);
    const size = shape.reduce((n, dim) => n * dim, 1);
    if (deviation === undefined) grown[name] = tf.ones(inMemory);
    else if (OUTPUTS.test(name)) grown[name] = tf.zeros(inMemory);
    else
      grown[name] = tf.tensor(
        Float32Array.from({ length: size }, () => deviation * normal(rng)),
        inMemory,
      );
  }
  return { ...model, config, parameters: grown };
}
