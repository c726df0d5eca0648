// A function of tensors as two graphs, forward and backward, recorded on the tape as one operation. The forward graph is written layer by
// layer; each layer says how its gradient is written, and which values of the forward graph the backward one must be handed.

import { isTapeOn, withGradient } from "../tape/custom-gradient.ts";
import { type NativeOps, type Tensor, tf } from "../tensorflow.ts";
import { createGraph, type Graph, type Value } from "./graph.ts";
import { openGraph } from "./open-graph.ts";

/** The backward graph while it is written. */
export interface Backward {
  graph: Graph;
  /** A value of the forward graph, as the backward graph is given it. */
  held(value: Value): Value;
  /** Adds to the gradient of an input of the forward graph; one that is not differentiated by is not given here. */
  gradient(input: Value, of: Value): void;
  /** Whether the gradient to an input of the forward graph is wanted. */
  wants(input: Value): boolean;
}

/** A forward graph's result, and how its gradient is written from the result's `dy`. */
export interface Written {
  value: Value;
  backward(to: Backward, dy: Value): void;
}

/** What a pair of graphs is made of. */
export interface GraphFunction {
  forward: Graph;
  /** In the order in which tensors are given; the first `differentiated` ones are differentiated by. */
  inputs: readonly Value[];
  differentiated: number;
  written: Written;
}

/** Opens both graphs; the result computes the value, and on a tape its gradients too. */
export function openFunction<Output extends Tensor>(
  ops: NativeOps,
  { forward, inputs, differentiated, written }: GraphFunction,
): (tensors: readonly Tensor[]) => Output {
  const names = inputs.map(key);
  const backward = createGraph();
  const fed = new Map<string, { value: Value; input: Value }>(); // values of the forward graph, as inputs of the backward graph
  const gradients = new Map<string, Value[]>(names.slice(0, differentiated).map((name) => [name, []]));
  const dy = backward.input();
  const held = (value: Value): Value => {
    const known = fed.get(key(value)) ?? { value, input: backward.input(typeOf(forward, value)) };
    fed.set(key(value), known);
    return known.input;
  };
  written.backward(
    {
      graph: backward,
      held,
      gradient: (input, of) => gradients.get(key(input))?.push(of),
      wants: (input) => gradients.has(key(input)),
    },
    dy,
  );
  const sums = [...gradients.values()].map((parts) => addAll(backward, parts));
  const kept = [...fed.values()].filter(({ value }) => !names.includes(key(value))); // made by the forward graph
  const given = [...fed.values()].flatMap(({ value, input }) => {
    const from = names.indexOf(key(value));
    return from < 0 ? [] : [{ from, input }];
  });
  const runForward = openGraph(ops, forward);
  const runBackward = openGraph(ops, backward);
  const feeds = (tensors: readonly Tensor[]) =>
    inputs.map((input, i) => {
      const tensor = tensors[i];
      if (tensor === undefined) throw new Error(`a graph of ${inputs.length} inputs was given ${tensors.length}`);
      return { input, tensor };
    });
  return (tensors) => {
    if (!isTapeOn()) return runForward(feeds(tensors), [written.value])[0] as Output;
    return withGradient<Tensor[], Tensor[], Output>(
      () => {
        const [value, ...saved] = runForward(feeds(tensors), [written.value, ...kept.map(({ value }) => value)]);
        return {
          value: value as Output,
          saved: [...saved, ...given.map(({ from }) => tensors[from] ?? tf.scalar(Number.NaN))],
          gradient: (dyTensor, savedTensors) => {
            const backwardFeeds = [...kept, ...given].map(({ input }, i) => {
              const tensor = savedTensors[i];
              if (tensor === undefined) throw new Error("a saved tensor is missing");
              return { input, tensor };
            });
            return runBackward([{ input: dy, tensor: dyTensor }, ...backwardFeeds], sums).map((sum) => () => sum);
          },
        };
      },
      ...tensors.slice(0, differentiated),
    );
  };
}

const key = ({ node, output }: Value): string => `${node}:${output}`;

function typeOf({ nodes }: Graph, { node }: Value): "float32" | "int32" {
  const { dtype } = nodes.find(({ name }) => name === node)?.attributes ?? {};
  return dtype !== undefined && "type" in dtype ? dtype.type : "float32";
}

/** One node however many parts there are: a part may be an input of the graph, which a run cannot give back. */
function addAll(graph: Graph, parts: readonly Value[]): Value {
  const [first] = parts;
  if (first === undefined) throw new Error("an input that is differentiated by takes no part in the result");
  return parts.length === 1 ? first : graph.op("AddN", parts, { N: { int: parts.length } });
}
