// A function of tensors as two graphs, recorded on the tape as one operation.
//
//   forward:   inputs -> the result, and values that the backward graph will want again
//   backward:  dy, and those values -> gradients to the inputs that are differentiated by
//
// The forward graph is written layer by layer, and each layer says how its gradient is written. While it does, it may read any value of the
// forward graph (`held`). A value that it reads so is an input of the backward graph, and where it comes from in a run is one of two:
//   made:   computed by the forward graph, so that a recorded run asks for it too, and the tape keeps it;
//   given:  an input of the forward graph itself (a weight, the layer's own input), which is there anyway.

import { isTapeOn, withGradient } from "../tape/custom-gradient.ts";
import type { Tensor } from "../tensorflow.ts";
import { createGraph, type Graph, type Value } from "./graph.ts";
import type { GraphRuntime } from "./run-graph.ts";

/** The backward graph while it is written. */
export interface Backward {
  graph: Graph;
  /** A value of the forward graph, as an input of the backward graph. */
  held(value: Value): Value;
  /** Adds to the gradient of an input of the forward graph; of one that is not differentiated by, it is dropped. */
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
  runtime: GraphRuntime,
  written: GraphFunction,
): (tensors: readonly Tensor[]) => Output {
  const { forward, inputs } = written;
  const { graph: backward, dy, made, given, gradients } = writeBackward(written);
  const runForward = runtime.open(forward);
  const runBackward = runtime.open(backward);
  const outputs = [written.written.value, ...made.map(({ value }) => value)];
  return (tensors) => {
    const feeds = pair(inputs, tensors);
    if (!isTapeOn()) return runForward(feeds, outputs.slice(0, 1))[0] as Output;
    return withGradient<Tensor[], Tensor[], Output>(
      () => {
        const [value, ...madeTensors] = runForward(feeds, outputs);
        return {
          value: value as Output,
          saved: [...madeTensors, ...given.flatMap(({ from }) => tensors[from] ?? [])],
          gradient: (dyTensor, saved) => {
            const backwardInputs = [...made, ...given].map(({ input }) => input);
            const results = runBackward(pair([dy, ...backwardInputs], [dyTensor, ...saved]), gradients);
            return results.map((result) => () => result);
          },
        };
      },
      ...tensors.slice(0, written.differentiated),
    );
  };
}

interface BackwardGraph {
  graph: Graph;
  /** Its input for the gradient that arrives at the result. */
  dy: Value;
  /** Its other inputs: for values that the forward graph computes, and for inputs of that graph, by their place among these. */
  made: { value: Value; input: Value }[];
  given: { from: number; input: Value }[];
  /** Its results: the gradients to the inputs that are differentiated by, in their order. */
  gradients: Value[];
}

function writeBackward({ forward, inputs, differentiated, written }: GraphFunction): BackwardGraph {
  const graph = createGraph();
  const dy = graph.input();
  const places = new Map(inputs.map((input, i) => [key(input), i]));
  const held = new Map<string, { value: Value; input: Value }>();
  const parts = new Map<string, Value[]>(inputs.slice(0, differentiated).map((input) => [key(input), []]));
  const heldAs = (value: Value): Value => {
    const known = held.get(key(value))?.input;
    if (known !== undefined) return known;
    const input = graph.input(typeOf(forward, value));
    held.set(key(value), { value, input });
    return input;
  };
  written.backward(
    {
      graph,
      held: heldAs,
      gradient: (input, of) => parts.get(key(input))?.push(of),
      wants: (input) => parts.has(key(input)),
    },
    dy,
  );
  return {
    graph,
    dy,
    made: [...held.values()].filter(({ value }) => !places.has(key(value))),
    given: [...held.values()].flatMap(({ value, input }) => {
      const from = places.get(key(value));
      return from === undefined ? [] : [{ from, input }];
    }),
    gradients: [...parts.values()].map((some) => addAll(graph, some)),
  };
}

function pair(inputs: readonly Value[], tensors: readonly Tensor[]): { input: Value; tensor: Tensor }[] {
  return inputs.map((input, i) => {
    const tensor = tensors[i];
    if (tensor === undefined) throw new Error(`a graph of ${inputs.length} inputs was given ${tensors.length}`);
    return { input, tensor };
  });
}

const key = ({ node, output }: Value): string => `${node}:${output}`;

function typeOf({ nodes }: Graph, { node }: Value): "float32" | "int32" {
  const { dtype } = nodes.find(({ name }) => name === node)?.attributes ?? {};
  return dtype !== undefined && "type" in dtype ? dtype.type : "float32";
}

function addAll(graph: Graph, parts: readonly Value[]): Value {
  const [first] = parts;
  if (first === undefined) throw new Error("an input that is differentiated by takes no part in the result");
  return parts.length === 1 ? first : graph.op("AddN", parts, { N: { int: parts.length } });
}
