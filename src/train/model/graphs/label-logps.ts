// The head as a pair of graphs: log-probability of each label under softmax(hidden . head^T), of which one [N, V] matrix ever exists.
//   forward:  l = hidden head^T,  m = max l,  e = exp(l - m),  s = sum e,  logp = l[label] - m - log s   (e takes the place of l)
//   kept:     E = e - s onehot(label)  (in the place of e): -E / s is the gradient of logp to l
//   backward: dHidden = (E head) w,  dHead = E^T (hidden w),  w = -dy / s   (only the narrow factors are scaled)
// With a frozen head E head [N, D] is kept in the place of E.

import { openFunction } from "../../tensorflow/graphs/differentiable.ts";
import { createGraph } from "../../tensorflow/graphs/graph.ts";
import type { GraphRuntime } from "../../tensorflow/graphs/run-graph.ts";
import type { Tensor, Tensor1D, Tensor2D } from "../../tensorflow/tensorflow.ts";
import { product, reduce } from "./layers.ts";

type RunHead = (tensors: readonly Tensor[]) => Tensor1D;

const opened = new Map<boolean, RunHead>();

/** Log-probs [N] of labels; hidden [N, D], head [V, D], `places` [N, 2] (int32) row and label of each. */
export function labelLogpsGraph(
  runtime: GraphRuntime,
  { hidden, head, places, frozenHead }: { hidden: Tensor2D; head: Tensor2D; places: Tensor2D; frozenHead: boolean },
): Tensor1D {
  const run = opened.get(frozenHead) ?? open(runtime, frozenHead);
  opened.set(frozenHead, run);
  return run([hidden, head, places]);
}

function open(runtime: GraphRuntime, frozenHead: boolean): RunHead {
  const graph = createGraph();
  const [hidden, head, places] = [graph.input(), graph.input(), graph.input("int32")];
  const flat = graph.integers(-1);
  const logits = product(graph, hidden, head, { transposeB: true });
  const largest = reduce(graph, "Max", logits, { axis: 1, keep: true }); // [N, 1]
  const types = { Tparams: { type: "float32" }, Tindices: { type: "int32" } } as const;
  const ofLabel = graph.node("GatherNd", [logits, places], types); // [N]
  // once the others have read the logits, these two can be written over them
  const e = graph.op("Exp", [graph.node("Sub", [logits, largest], { T: { type: "float32" } }, [ofLabel, largest])]);
  const total = reduce(graph, "Sum", e, { axis: 1 }); // [N]
  const errors = graph.node(
    "TensorScatterSub",
    [e, places, total],
    { T: { type: "float32" }, Tindices: { type: "int32" } },
    [total],
  );
  const narrow = frozenHead ? product(graph, errors, head) : undefined;
  const shifted = graph.op("Sub", [ofLabel, graph.op("Reshape", [largest, flat], { Tshape: { type: "int32" } })]);
  return openFunction<Tensor1D>(runtime, {
    forward: graph,
    inputs: [hidden, head, places],
    differentiated: frozenHead ? 1 : 2,
    written: {
      value: graph.op("Sub", [shifted, graph.op("Log", [total])]),
      backward(to, dy) {
        const g = to.graph;
        const slope = g.op("Neg", [g.op("RealDiv", [dy, to.held(total)])]);
        const column = g.op("Reshape", [slope, g.integers(-1, 1)], { Tshape: { type: "int32" } }); // [N, 1]
        const pulled = narrow === undefined ? product(g, to.held(errors), to.held(head)) : to.held(narrow);
        to.gradient(hidden, g.op("Mul", [pulled, column]));
        if (!to.wants(head)) return;
        to.gradient(head, product(g, to.held(errors), g.op("Mul", [to.held(hidden), column]), { transposeA: true }));
      },
    },
  });
}
