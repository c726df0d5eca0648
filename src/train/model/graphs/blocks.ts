// The blocks of T5's encoder and decoder as pairs of graphs, forward and backward. For native TensorFlow and onnxruntime;
// t5.ts holds the same blocks operation by operation, for every backend.

import type { T5Config } from "../../../shared/t5-config.ts";
import type { Tensor2D, Tensor4D } from "../../tensorflow/tensorflow.ts";
import type { HeadIndex } from "../packed-rows.ts";
import { ADAPTER_SCALE, type Parameters } from "../parameters.ts";
import { type BlockKind, headLayout, layoutInputs, runBlock } from "./run-block.ts";
import { crossAttention, feedForwardSublayer, selfAttention } from "./sublayers.ts";

const ENCODER: BlockKind = {
  name: "encoder",
  write(graph, weights, config, adapted) {
    const place = (layer: number) => ({ graph, weights, config, layer });
    const [x, bias, index] = [graph.input(), graph.input(), headLayout(graph)];
    const self = selfAttention(place(0), x, bias, index);
    const inner = feedForwardSublayer(place(1), self.value);
    return {
      inputs: {
        differentiated: adapted ? [x] : [x, bias],
        others: [...(adapted ? [bias] : []), ...layoutInputs(index)],
      },
      written: {
        value: inner.value,
        backward: (to, dy) => to.gradient(x, self.backward(to, inner.backward(to, dy))),
      },
    };
  },
};

const DECODER: BlockKind = {
  name: "decoder",
  write(graph, weights, config, adapted) {
    const place = (layer: number) => ({ graph, weights, config, layer });
    const [x, hidden, bias, maskBias] = [graph.input(), graph.input(), graph.input(), graph.input()];
    const [index, queries, memory] = [headLayout(graph), headLayout(graph), headLayout(graph)];
    const self = selfAttention(place(0), x, bias, index);
    const cross = crossAttention(place(1), self.value, { hidden, bias: maskBias, queries, memory });
    const inner = feedForwardSublayer(place(2), cross.value);
    const layouts = [index, queries, memory].flatMap(layoutInputs);
    return {
      inputs: {
        differentiated: adapted ? [x, hidden] : [x, hidden, bias],
        others: [...(adapted ? [bias] : []), maskBias, ...layouts],
      },
      written: {
        value: inner.value,
        backward(to, dy) {
          const { dx, dHidden } = cross.backward(to, inner.backward(to, dy));
          to.gradient(hidden, dHidden);
          to.gradient(x, self.backward(to, dx));
        },
      },
    };
  },
};

/** Tensors of an encoder block: x [N, D], bias [B, H, T, T]. */
export interface EncoderBlockInput {
  x: Tensor2D;
  bias: Tensor4D;
  index: HeadIndex;
}

/** The block `prefix` ("encoder.block.0") as one graph, or undefined on WebAssembly, which runs none. */
export function encoderBlockGraph(
  p: Parameters,
  config: T5Config,
  prefix: string,
  { x, bias, index }: EncoderBlockInput,
): Tensor2D | undefined {
  const adapted = ADAPTER_SCALE in p;
  return runBlock(
    ENCODER,
    { p, config, prefix },
    {
      differentiated: adapted ? [x] : [x, bias],
      others: [...(adapted ? [bias] : []), ...index],
    },
  );
}

/** Tensors of a decoder block: x [N, D], encoder states hidden [M, D], bias [C, H, T, T], maskBias [B, 1, 1, S]. */
export interface DecoderBlockInput {
  x: Tensor2D;
  hidden: Tensor2D;
  bias: Tensor4D;
  maskBias: Tensor4D;
  index: { self: HeadIndex; query: HeadIndex; memory: HeadIndex };
}

/** As encoderBlockGraph, for "decoder.block.0" and so on. */
export function decoderBlockGraph(
  p: Parameters,
  config: T5Config,
  prefix: string,
  { x, hidden, bias, maskBias, index }: DecoderBlockInput,
): Tensor2D | undefined {
  const adapted = ADAPTER_SCALE in p;
  const layouts = [...index.self, ...index.query, ...index.memory];
  return runBlock(
    DECODER,
    { p, config, prefix },
    {
      differentiated: adapted ? [x, hidden] : [x, hidden, bias],
      others: [...(adapted ? [bias] : []), maskBias, ...layouts],
    },
  );
}
