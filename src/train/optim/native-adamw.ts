// AdamW's parameters and moments as variables of one TensorFlow graph. One run updates them all, side by side on all cores, in place: each by
// TensorFlow's own fused kernel, ResourceApplyAdam, after the gradient was scaled and the weight decayed.

import { createGraph, type Graph, type Value } from "../tensorflow/graphs/graph.ts";
import type { RunGraph } from "../tensorflow/graphs/run-graph.ts";
import { tensorflowRuntime } from "../tensorflow/graphs/tensorflow-runtime.ts";
import type { NativeOps, Tensor } from "../tensorflow/tensorflow.ts";
import { tf } from "../tensorflow/tensorflow.ts";
import type { AdamWOptions, AdamWStore, InitialSlot, Update } from "./adamw.ts";

const FLOAT = { type: "float32" } as const;

/** A variable of the graph: its handle, its value, and a node that sets it to `given`. */
interface Variable {
  handle: Value;
  read: Value;
  given: Value;
  assign: Value;
}

function variable(graph: Graph, shape: readonly number[]): Variable {
  const names = { container: { text: "" }, shared_name: { text: `variable${graph.nodes.length}` } };
  const handle = graph.node("VarHandleOp", [], { ...names, dtype: FLOAT, shape: { shape } });
  const given = graph.input();
  const assign = graph.node("AssignVariableOp", [handle, given], { dtype: FLOAT });
  return { handle, given, assign, read: graph.node("ReadVariableOp", [handle], { dtype: FLOAT }) };
}

/** A scalar that is there once the nodes have run: what a run of nodes without outputs can ask for. */
function done(graph: Graph, nodes: readonly Value[]): Value {
  return graph.node("Identity", [graph.scalar(0)], { T: FLOAT }, nodes);
}

/** Parameters updated side by side. Each has a scaled gradient, and a share of itself that decays: without an order all of them exist at once. */
const SIDE_BY_SIDE = 2;

/** The scalars that an update is given. */
const SCALARS = ["learningRate", "scale", "beta1Power", "beta2Power", "epsilon", "decay"] as const;
type Scalars = Record<(typeof SCALARS)[number], Value>;

/** Adds the update of one parameter and returns the node that makes it. */
function update(
  graph: Graph,
  { value, m, v, gradient }: Record<"value" | "m" | "v", Variable> & { gradient: Value },
  { scalars, options, after }: { scalars: Scalars; options: AdamWOptions; after: readonly Value[] },
): Value {
  const { learningRate, scale, beta1Power, beta2Power, epsilon, decay } = scalars;
  const scaled = graph.node("Mul", [gradient, scale], { T: FLOAT }, after);
  const decayed =
    options.weightDecay > 0
      ? [
          graph.node(
            "AssignSubVariableOp",
            [value.handle, graph.node("Mul", [value.read, decay], { T: FLOAT }, after)],
            { dtype: FLOAT },
          ),
        ]
      : [];
  return graph.node(
    "ResourceApplyAdam",
    [
      ...[value, m, v].map(({ handle }) => handle),
      ...[beta1Power, beta2Power, learningRate, graph.scalar(options.beta1), graph.scalar(options.beta2), epsilon],
      scaled,
    ],
    { T: FLOAT, use_locking: { bool: false }, use_nesterov: { bool: false } },
    decayed,
  );
}

/** A parameter with its moments and its gradient. */
interface Slot extends Record<"value" | "m" | "v", Variable> {
  name: string;
  gradient: Value;
}

/** Stores parameters and moments in TensorFlow. */
export function createNativeStore(ops: NativeOps, initial: readonly InitialSlot[], options: AdamWOptions): AdamWStore {
  const graph = createGraph();
  const slots = initial.map(
    ({ name, value: { shape } }): Slot => ({
      name,
      value: variable(graph, shape),
      m: variable(graph, shape),
      v: variable(graph, shape),
      gradient: graph.input(),
    }),
  );
  const [learningRate, scale, beta1Power] = [graph.input(), graph.input(), graph.input()];
  const [beta2Power, epsilon, decay] = [graph.input(), graph.input(), graph.input()];
  const scalars: Scalars = { learningRate, scale, beta1Power, beta2Power, epsilon, decay };
  const updates: Value[] = [];
  for (const slot of slots) {
    const before = updates.at(-SIDE_BY_SIDE);
    updates.push(update(graph, slot, { scalars, options, after: before === undefined ? [] : [before] }));
  }
  const updated = done(graph, updates);
  // a graph is compiled anew for every set of outputs asked of it, so each kind of run is one for all variables
  const [valuesGiven, momentsGiven] = [(slot: Slot) => [slot.value], (slot: Slot) => [slot.m, slot.v]].map((of) =>
    done(
      graph,
      slots.flatMap(of).map(({ assign }) => assign),
    ),
  );
  const run = tensorflowRuntime(ops).open(graph);
  const feed = (target: Variable, tensor: Tensor) => ({ input: target.given, tensor });
  tf.tidy(() => {
    const values = initial.flatMap((first, i) => {
      const slot = slots[i];
      return slot ? [feed(slot.value, first.value)] : [];
    });
    run(values, [valuesGiven ?? updated]);
    const moments = initial.flatMap((first, i) => {
      const slot = slots[i];
      const { m, v } = first.moments() ?? { m: tf.zerosLike(first.value), v: tf.zerosLike(first.value) };
      return slot ? [feed(slot.m, m), feed(slot.v, v)] : [];
    });
    run(moments, [momentsGiven ?? updated]);
  });
  let current: Record<string, Tensor> | undefined;
  const release = (): void => {
    tf.dispose(current ?? []);
    current = undefined;
  };
  return {
    values() {
      current ??= readAll(run, slots);
      return current;
    },
    update(gradients, by) {
      release(); // while a read is alive the update would copy
      tf.tidy(() => {
        const numbers = kernelNumbers(by, options);
        const feeds = slots.map(({ name, gradient }) => ({
          input: gradient,
          tensor: gradients[name] ?? tf.scalar(Number.NaN),
        }));
        run(
          [...feeds, ...SCALARS.map((name) => ({ input: scalars[name], tensor: tf.scalar(numbers[name]) }))],
          [updated],
        );
      });
    },
    moments() {
      const tensors = run(
        [],
        slots.flatMap(({ m, v }) => [m.read, v.read]),
      );
      return Object.fromEntries(
        slots.map(({ name }, i) => [
          name,
          { m: tensors[2 * i] ?? tf.scalar(Number.NaN), v: tensors[2 * i + 1] ?? tf.scalar(Number.NaN) },
        ]),
      );
    },
    dispose() {
      release();
      run.close();
    },
  };
}

function readAll(run: RunGraph, slots: readonly { name: string; value: Variable }[]): Record<string, Tensor> {
  const values = run(
    [],
    slots.map(({ value }) => value.read),
  );
  return Object.fromEntries(values.map((value, i) => [slots[i]?.name ?? "", tf.keep(value)]));
}

/** The kernel adds epsilon before the bias correction of v, PyTorch after it: scaled here to mean the same. */
function kernelNumbers(by: Update, { epsilon, weightDecay }: AdamWOptions): Record<(typeof SCALARS)[number], number> {
  return { ...by, epsilon: epsilon * Math.sqrt(1 - by.beta2Power), decay: by.learningRate * weightDecay };
}
