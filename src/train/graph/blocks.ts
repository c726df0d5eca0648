// The blocks of T5's encoder and decoder as pairs of graphs, one pair for all blocks of a kind: a run is given the block's weights.
// Only on native TensorFlow; t5.ts holds the same blocks operation by operation, for every backend.

import type { T5Config } from "../../shared/t5-config.ts";
import type { HeadIndex } from "../model/packed-rows.ts";
import { ADAPTER_SCALE, loraA, loraB, type Parameters } from "../model/parameters.ts";
import { type NativeOps, nativeOps, type Tensor, type Tensor2D, type Tensor4D } from "../tensorflow.ts";
import { openFunction } from "./differentiable.ts";
import { createGraph, type Graph, type Value } from "./graph.ts";
import { attention, feedForward, type HeadLayout, type Projection, residual, rmsNorm } from "./layers.ts";

/** Names of a block's weights behind its prefix, and which graph inputs stand for them. */
interface BlockWeights {
  projection(name: string): Projection;
  gain(name: string): Value;
  /** Names in the order of the graph's inputs: those that are trained, and those that are not. */
  trained: { name: string; input: Value }[];
  frozen: { name: string; input: Value }[];
}

function blockWeights(graph: Graph, adapted: ReadonlySet<string> | undefined): BlockWeights {
  const trained: BlockWeights["trained"] = [];
  const frozen: BlockWeights["frozen"] = [];
  const scale = adapted && graph.input();
  const weight = (list: BlockWeights["trained"], name: string): Value => {
    const input = graph.input();
    list.push({ name, input });
    return input;
  };
  if (scale !== undefined) frozen.push({ name: ADAPTER_SCALE, input: scale });
  return {
    trained,
    frozen,
    gain: (name) => weight(adapted ? frozen : trained, `${name}.weight`),
    projection(name) {
      const own = weight(adapted ? frozen : trained, `${name}.weight`);
      if (scale === undefined || !adapted?.has(name)) return { weight: own };
      return { weight: own, adapter: { a: weight(trained, loraA(name)), b: weight(trained, loraB(name)), scale } };
    },
  };
}

function layout(graph: Graph): HeadLayout {
  return { toHeads: graph.input("int32"), fromHeads: graph.input("int32"), real: graph.input() };
}

const inputsOf = ({ toHeads, fromHeads, real }: HeadLayout): Value[] => [toHeads, fromHeads, real];

/** Runs one block: the tensors of its inputs in order, and its parameters. */
type RunBlock = (
  p: Parameters,
  prefix: string,
  tensors: { first: readonly Tensor[]; rest: readonly Tensor[] },
) => Tensor2D;

const opened = new Map<string, RunBlock>();

/** Opens the graphs of a kind of block once. `prefix` names one block of that kind, to see what is adapted in it. */
function blockOf(
  kind: "encoder" | "decoder",
  { ops, p, prefix, config }: { ops: NativeOps; p: Parameters; prefix: string; config: T5Config },
): RunBlock {
  const adapted = ADAPTER_SCALE in p ? adaptedNames(p, prefix) : undefined;
  const key = JSON.stringify([
    kind,
    adapted && [...adapted],
    config.gatedGelu,
    config.layerNormEpsilon,
    config.dKv,
    config.numHeads,
  ]);
  let run = opened.get(key);
  if (run === undefined) {
    run = kind === "encoder" ? openEncoderBlock(ops, config, adapted) : openDecoderBlock(ops, config, adapted);
    opened.set(key, run);
  }
  return run;
}

function adaptedNames(p: Parameters, prefix: string): Set<string> {
  const suffix = loraA("");
  const names = Object.keys(p).filter((name) => name.startsWith(`${prefix}.`) && name.endsWith(suffix));
  return new Set(names.map((name) => name.slice(prefix.length + 1, -suffix.length)));
}

function runner(run: (tensors: readonly Tensor[]) => Tensor2D, { trained, frozen }: BlockWeights): RunBlock {
  return (p, prefix, { first, rest }) => {
    const tensor = ({ name }: { name: string }): Tensor => {
      const found = p[name === ADAPTER_SCALE ? name : `${prefix}.${name}`];
      if (found === undefined) throw new Error(`no parameter ${prefix}.${name}`);
      return found;
    };
    return run([...first, ...trained.map(tensor), ...rest, ...frozen.map(tensor)]);
  };
}

/** Widths of attention and what is written of each. */
const widths = ({ dKv, numHeads }: T5Config) => ({ dKv, inner: dKv * numHeads });

function projectionsOf(weights: BlockWeights, name: string) {
  const [q, k, v, o] = (["q", "k", "v", "o"] as const).map((last) => weights.projection(`${name}.${last}`));
  if (!q || !k || !v || !o) throw new Error(`no projections of ${name}`);
  return { q, k, v, o };
}

function feedForwardOf(weights: BlockWeights, name: string, { gatedGelu }: T5Config) {
  const inner = (gatedGelu ? ["wi_0", "wi_1"] : ["wi"]).map((last) => weights.projection(`${name}.${last}`));
  return { in: inner, out: weights.projection(`${name}.wo`) };
}

function openEncoderBlock(ops: NativeOps, config: T5Config, adapted: ReadonlySet<string> | undefined): RunBlock {
  const graph = createGraph();
  const weights = blockWeights(graph, adapted);
  const [x, bias, index] = [graph.input(), graph.input(), layout(graph)];
  const epsilon = config.layerNormEpsilon;
  const norm0 = rmsNorm(graph, x, weights.gain("layer.0.layer_norm"), epsilon);
  const self = attention(graph, norm0.value, norm0.value, {
    ...projectionsOf(weights, "layer.0.SelfAttention"),
    ...widths(config),
    bias,
    queries: index,
    memory: index,
  });
  const attended = residual(graph, x, self.value);
  const norm1 = rmsNorm(graph, attended, weights.gain("layer.1.layer_norm"), epsilon);
  const inner = feedForward(graph, norm1.value, feedForwardOf(weights, "layer.1.DenseReluDense", config));
  const value = residual(graph, attended, inner.value);
  const first = adapted === undefined ? [x, bias] : [x];
  const rest = adapted === undefined ? inputsOf(index) : [bias, ...inputsOf(index)];
  const run = openFunction<Tensor2D>(ops, {
    forward: graph,
    inputs: [
      ...first,
      ...weights.trained.map(({ input }) => input),
      ...rest,
      ...weights.frozen.map(({ input }) => input),
    ],
    differentiated: first.length + weights.trained.length,
    written: {
      value,
      backward(to, dy) {
        const g = to.graph;
        const dAttended = residual(g, dy, norm1.backward(to, inner.backward(to, dy)));
        const [dAsking, dRead] = self.backward(to, dAttended);
        to.gradient(x, residual(g, dAttended, norm0.backward(to, residual(g, dAsking, dRead))));
      },
    },
  });
  return runner(run, weights);
}

function openDecoderBlock(ops: NativeOps, config: T5Config, adapted: ReadonlySet<string> | undefined): RunBlock {
  const graph = createGraph();
  const weights = blockWeights(graph, adapted);
  const [x, hidden, bias, maskBias] = [graph.input(), graph.input(), graph.input(), graph.input()];
  const [index, query, memory] = [layout(graph), layout(graph), layout(graph)];
  const epsilon = config.layerNormEpsilon;
  const norm0 = rmsNorm(graph, x, weights.gain("layer.0.layer_norm"), epsilon);
  const self = attention(graph, norm0.value, norm0.value, {
    ...projectionsOf(weights, "layer.0.SelfAttention"),
    ...widths(config),
    bias,
    queries: index,
    memory: index,
  });
  const attended = residual(graph, x, self.value);
  const norm1 = rmsNorm(graph, attended, weights.gain("layer.1.layer_norm"), epsilon);
  const cross = attention(graph, norm1.value, hidden, {
    ...projectionsOf(weights, "layer.1.EncDecAttention"),
    ...widths(config),
    bias: maskBias,
    queries: query,
    memory,
  });
  const seen = residual(graph, attended, cross.value);
  const norm2 = rmsNorm(graph, seen, weights.gain("layer.2.layer_norm"), epsilon);
  const inner = feedForward(graph, norm2.value, feedForwardOf(weights, "layer.2.DenseReluDense", config));
  const value = residual(graph, seen, inner.value);
  const layouts = [index, query, memory].flatMap(inputsOf);
  const first = adapted === undefined ? [x, hidden, bias] : [x, hidden];
  const rest = adapted === undefined ? [maskBias, ...layouts] : [bias, maskBias, ...layouts];
  const run = openFunction<Tensor2D>(ops, {
    forward: graph,
    inputs: [
      ...first,
      ...weights.trained.map(({ input }) => input),
      ...rest,
      ...weights.frozen.map(({ input }) => input),
    ],
    differentiated: first.length + weights.trained.length,
    written: {
      value,
      backward(to, dy) {
        const g = to.graph;
        const dSeen = residual(g, dy, norm2.backward(to, inner.backward(to, dy)));
        const [dCross, dHidden] = cross.backward(to, dSeen);
        to.gradient(hidden, dHidden);
        const dAttended = residual(g, dSeen, norm1.backward(to, dCross));
        const [dAsking, dRead] = self.backward(to, dAttended);
        to.gradient(x, residual(g, dAttended, norm0.backward(to, residual(g, dAsking, dRead))));
      },
    },
  });
  return runner(run, weights);
}

/** Tensors of an encoder block: x [N, D], bias [B, H, T, T]. */
export interface EncoderBlockInput {
  x: Tensor2D;
  bias: Tensor4D;
  index: HeadIndex;
}

/** The block `prefix` ("encoder.block.0") in one call of TensorFlow, or undefined where there is no native TensorFlow. */
export function encoderBlockGraph(
  p: Parameters,
  config: T5Config,
  prefix: string,
  { x, bias, index }: EncoderBlockInput,
): Tensor2D | undefined {
  const ops = nativeOps();
  if (ops === undefined) return undefined;
  const adapted = ADAPTER_SCALE in p;
  return blockOf("encoder", { ops, p, prefix, config })(p, prefix, {
    first: adapted ? [x] : [x, bias],
    rest: adapted ? [bias, ...index] : index,
  });
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
  const ops = nativeOps();
  if (ops === undefined) return undefined;
  const adapted = ADAPTER_SCALE in p;
  const layouts = [...index.self, ...index.query, ...index.memory];
  return blockOf("decoder", { ops, p, prefix, config })(p, prefix, {
    first: adapted ? [x, hidden] : [x, hidden, bias],
    rest: adapted ? [bias, maskBias, ...layouts] : [maskBias, ...layouts],
  });
}
