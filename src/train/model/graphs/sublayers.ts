// A block's parts: norm, attention or feed-forward, and the residual around them.

import type { T5Config } from "../../../shared/t5-config.ts";
import type { Backward } from "../../tensorflow/graphs/differentiable.ts";
import type { Graph, Value } from "../../tensorflow/graphs/graph.ts";
import { attentionWeights, type BlockWeights, feedForwardWeights } from "./block-weights.ts";
import { attention, feedForward, type HeadLayout, type Layer, residual, rmsNorm } from "./layers.ts";

/** What a part is built in. `layer` is its number in the block. */
export interface SublayerPlace {
  graph: Graph;
  weights: BlockWeights;
  config: T5Config;
  layer: number;
}

const norm = ({ graph, weights, config, layer }: SublayerPlace, x: Value): Layer =>
  rmsNorm(graph, x, weights.gain(`layer.${layer}.layer_norm`), config.layerNormEpsilon);

const widths = ({ dKv, numHeads }: T5Config) => ({ dKv, inner: dKv * numHeads });

/** x + attention over the tokens themselves. `bias` [B, H, T, T] is added to the scores. */
export function selfAttention(place: SublayerPlace, x: Value, bias: Value, layout: HeadLayout): Layer {
  const { graph, weights, config, layer } = place;
  const normed = norm(place, x);
  const self = attention(graph, normed.value, normed.value, {
    ...attentionWeights(weights, `layer.${layer}.SelfAttention`),
    ...widths(config),
    bias,
    queries: layout,
    memory: layout,
  });
  return {
    value: residual(graph, x, self.value),
    backward(to, dy) {
      const [dAsking, dRead] = self.backward(to, dy);
      return residual(to.graph, dy, normed.backward(to, residual(to.graph, dAsking, dRead)));
    },
  };
}

/** x + attention over the encoder's states; gradients to both. */
export function crossAttention(
  place: SublayerPlace,
  x: Value,
  { hidden, bias, queries, memory }: { hidden: Value; bias: Value; queries: HeadLayout; memory: HeadLayout },
): { value: Value; backward(to: Backward, dy: Value): { dx: Value; dHidden: Value } } {
  const { graph, weights, config, layer } = place;
  const normed = norm(place, x);
  const cross = attention(graph, normed.value, hidden, {
    ...attentionWeights(weights, `layer.${layer}.EncDecAttention`),
    ...widths(config),
    bias,
    queries,
    memory,
  });
  return {
    value: residual(graph, x, cross.value),
    backward(to, dy) {
      const [dAsking, dHidden] = cross.backward(to, dy);
      return { dx: residual(to.graph, dy, normed.backward(to, dAsking)), dHidden };
    },
  };
}

/** x + feed-forward. */
export function feedForwardSublayer(place: SublayerPlace, x: Value): Layer {
  const { graph, weights, config, layer } = place;
  const normed = norm(place, x);
  const inner = feedForward(graph, normed.value, feedForwardWeights(weights, `layer.${layer}.DenseReluDense`, config));
  return {
    value: residual(graph, x, inner.value),
    backward: (to, dy) => residual(to.graph, dy, normed.backward(to, inner.backward(to, dy))),
  };
}
