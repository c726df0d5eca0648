// Opens the pair of graphs of a kind of block once, for all blocks of that kind: a run is given the block's weights.

import type { T5Config } from "../../../shared/t5-config.ts";
import { openFunction, type Written } from "../../tensorflow/graphs/differentiable.ts";
import { createGraph, type Graph, type Value } from "../../tensorflow/graphs/graph.ts";
import type { GraphRuntime } from "../../tensorflow/graphs/run-graph.ts";
import { graphRuntime, type Tensor, type Tensor2D } from "../../tensorflow/tensorflow.ts";
import type { Parameters } from "../parameters.ts";
import { adaptedNames, type BlockWeights, blockWeights, weightTensors } from "./block-weights.ts";
import type { HeadLayout } from "./layers.ts";

/** A block written into a graph: its result, and the inputs that stand for the tensors of a run. */
interface WrittenBlock {
  written: Written;
  /** Those differentiated by, and the others, in the order of a run's tensors. */
  inputs: { differentiated: readonly Value[]; others: readonly Value[] };
}

/** A kind of block. */
export interface BlockKind {
  name: string;
  /** `adapted`: only adapters are trained, so no gradient goes to the position bias. */
  write(graph: Graph, weights: BlockWeights, config: T5Config, adapted: boolean): WrittenBlock;
}

/** Tensors of a block's inputs, in their order. */
export interface BlockTensors {
  differentiated: readonly Tensor[];
  others: readonly Tensor[];
}

/** Inputs for the index tensors of packed-rows.ts. */
export function headLayout(graph: Graph): HeadLayout {
  return { toHeads: graph.input("int32"), fromHeads: graph.input("int32"), real: graph.input() };
}

/** A layout's inputs in the order of its tensors. */
export const layoutInputs = ({ toHeads, fromHeads, real }: HeadLayout): Value[] => [toHeads, fromHeads, real];

type Run = (p: Parameters, prefix: string, tensors: BlockTensors) => Tensor2D;

const opened = new Map<string, Run>();

/** The block `prefix` as one graph, or undefined on WebAssembly, which runs none. */
export function runBlock(
  kind: BlockKind,
  { p, config, prefix }: { p: Parameters; config: T5Config; prefix: string },
  tensors: BlockTensors,
): Tensor2D | undefined {
  const runtime = graphRuntime();
  if (runtime === undefined) return undefined;
  const adapted = adaptedNames(p, prefix);
  const { gatedGelu, layerNormEpsilon, dKv, numHeads } = config;
  const key = JSON.stringify([kind.name, adapted && [...adapted], gatedGelu, layerNormEpsilon, dKv, numHeads]);
  const run = opened.get(key) ?? openBlock(runtime, kind, config, adapted);
  opened.set(key, run);
  return run(p, prefix, tensors);
}

function openBlock(
  runtime: GraphRuntime,
  kind: BlockKind,
  config: T5Config,
  adapted: ReadonlySet<string> | undefined,
): Run {
  const forward = createGraph();
  const weights = blockWeights(forward, adapted);
  const { written, inputs } = kind.write(forward, weights, config, adapted !== undefined);
  const { trained, frozen } = weights;
  const differentiated = [...inputs.differentiated, ...trained.map(({ input }) => input)];
  const run = openFunction<Tensor2D>(runtime, {
    forward,
    inputs: [...differentiated, ...inputs.others, ...frozen.map(({ input }) => input)],
    differentiated: differentiated.length,
    written,
  });
  return (p, prefix, tensors) =>
    run([
      ...tensors.differentiated,
      ...weightTensors(p, prefix, trained),
      ...tensors.others,
      ...weightTensors(p, prefix, frozen),
    ]);
}
