// The weights of one block as inputs of its graph: in the order in which they are asked for, those that are trained apart from the others.

import type { T5Config } from "../../../shared/t5-config.ts";
import type { Graph, Value } from "../../tensorflow/graphs/graph.ts";
import { ADAPTER_SCALE, loraA, loraB, type Parameters } from "../parameters.ts";
import type { FeedForward, Projection } from "./layers.ts";

/** A parameter's name after the block's prefix, and the input that stands for it. */
export interface WeightInput {
  name: string;
  input: Value;
}

/** Weights by name; an adapted block trains only its adapters, any other block all of them. */
export interface BlockWeights {
  projection(name: string): Projection;
  gain(name: string): Value;
  trained: WeightInput[];
  frozen: WeightInput[];
}

/** `adapted` names the projections with an adapter; undefined where the model has none. */
export function blockWeights(graph: Graph, adapted: ReadonlySet<string> | undefined): BlockWeights {
  const trained: WeightInput[] = [];
  const frozen: WeightInput[] = [];
  const scale = adapted && graph.input();
  if (scale !== undefined) frozen.push({ name: ADAPTER_SCALE, input: scale });
  const weight = (list: WeightInput[], name: string): Value => {
    const input = graph.input();
    list.push({ name, input });
    return input;
  };
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

/** Projections of the block `prefix` that have an adapter, or undefined where no part of the model has one. */
export function adaptedNames(p: Parameters, prefix: string): Set<string> | undefined {
  if (!(ADAPTER_SCALE in p)) return undefined;
  const suffix = loraA("");
  const names = Object.keys(p).filter((name) => name.startsWith(`${prefix}.`) && name.endsWith(suffix));
  return new Set(names.map((name) => name.slice(prefix.length + 1, -suffix.length)));
}

/** The tensors that `inputs` stand for, of the block `prefix`. */
export function weightTensors(p: Parameters, prefix: string, inputs: readonly WeightInput[]): Parameters[string][] {
  return inputs.map(({ name }) => {
    const tensor = p[name === ADAPTER_SCALE ? name : `${prefix}.${name}`];
    if (tensor === undefined) throw new Error(`no parameter ${prefix}.${name}`);
    return tensor;
  });
}

/** q, k, v and o of the attention `name`. */
export function attentionWeights(weights: BlockWeights, name: string): Record<"q" | "k" | "v" | "o", Projection> {
  const of = (part: string): Projection => weights.projection(`${name}.${part}`);
  return { q: of("q"), k: of("k"), v: of("v"), o: of("o") };
}

/** The projections of a feed-forward that this T5 has. */
export function feedForwardWeights(weights: BlockWeights, name: string, { gatedGelu }: T5Config): FeedForward {
  const inner = (gatedGelu ? ["wi_0", "wi_1"] : ["wi"]).map((part) => weights.projection(`${name}.${part}`));
  return { in: inner, out: weights.projection(`${name}.wo`) };
}
