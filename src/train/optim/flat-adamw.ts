// AdamW's parameters and moments as arrays of JavaScript, updated in place by one graph in onnxruntime, a slice at a time that stays in the
// processor's cache: a pass over memory for each of its operations would take several times as long. The arithmetic is that of adamw.ts.

import type { Parameters } from "../model/parameters.ts";
import { createGraph, type Value } from "../tensorflow/graphs/graph.ts";
import { openOnnxGraph } from "../tensorflow/graphs/onnx-graph.ts";
import { onnxMemory } from "../tensorflow/graphs/onnx-memory.ts";
import { edgeName } from "../tensorflow/graphs/onnx-model.ts";
import { type OrtTensor, partOf, release, tensorOver } from "../tensorflow/graphs/ort-tensor.ts";
import { tf } from "../tensorflow/tensorflow.ts";
import type { AdamWOptions, AdamWStore, InitialSlot, Update } from "./adamw.ts";

/** Elements updated at once. */
const SLICE = 65_536;

/** Names of the graph's inputs. */
const ARRAYS = ["value", "m", "v", "gradient"] as const;
const FACTORS = ["ofGradient", "ofSquare", "ofValue", "ofRoot", "ofChange"] as const;
type Input = (typeof ARRAYS | typeof FACTORS)[number];

interface UpdateGraph {
  /** Writes value, m and v of a slice where the old ones stand: no other node reads those any more. */
  run(slice: Readonly<Record<(typeof ARRAYS)[number], OrtTensor>>): void;
  /** What the next runs take. */
  set(factors: Readonly<Record<(typeof FACTORS)[number], number>>): void;
  close(): void;
}

function openUpdate({ beta1, beta2, epsilon, weightDecay }: AdamWOptions): UpdateGraph {
  const graph = createGraph();
  const inputs = new Map<Input, Value>([...ARRAYS, ...FACTORS].map((name) => [name, graph.input()]));
  const input = (name: Input): Value => inputs.get(name) ?? graph.scalar(Number.NaN);
  const mul = (a: Value, b: Value): Value => graph.op("Mul", [a, b]);
  const add = (a: Value, b: Value): Value => graph.op("AddV2", [a, b]);
  const gradient = input("gradient");
  const m = add(mul(input("m"), graph.scalar(beta1)), mul(gradient, input("ofGradient")));
  const v = add(mul(input("v"), graph.scalar(beta2)), mul(graph.op("Square", [gradient]), input("ofSquare")));
  const root = add(mul(graph.op("Sqrt", [v]), input("ofRoot")), graph.scalar(epsilon));
  const change = mul(graph.op("RealDiv", [m, root]), input("ofChange"));
  const decayed = weightDecay > 0 ? mul(input("value"), input("ofValue")) : input("value");
  const opened = openOnnxGraph(graph.nodes, [graph.op("Sub", [decayed, change]), m, v]);
  const factors = FACTORS.map((name) => ({ name, data: new Float32Array(1) }));
  const scalars = new Map<Input, OrtTensor>(factors.map(({ name, data }) => [name, tensorOver(data, [1])]));
  const nameOf = new Map([...inputs].map(([name, value]) => [edgeName(value), name]));
  const order = opened.inputNames.flatMap((edge) => nameOf.get(edge) ?? []);
  return {
    run(slice) {
      const given = new Map<Input, OrtTensor>([...scalars, ...ARRAYS.map((name) => [name, slice[name]] as const)]);
      opened.run(
        order.flatMap((name) => given.get(name) ?? []),
        [slice.value, slice.m, slice.v],
      );
    },
    set(to) {
      for (const { name, data } of factors) data[0] = to[name];
    },
    close() {
      for (const scalar of scalars.values()) release(scalar);
      opened.close();
    },
  };
}

/** A part of a parameter, from element `start` of it on, with its moments. */
interface Slice extends Record<"value" | "m" | "v", OrtTensor> {
  start: number;
  count: number;
}

interface Slot extends Record<"value" | "m" | "v", Float32Array> {
  name: string;
  shape: number[];
  slices: Slice[];
}

function createSlot({ name, value, moments }: InitialSlot): Slot {
  const given = moments();
  const data = {
    value: value.dataSync<"float32">().slice(),
    m: given?.m.dataSync<"float32">().slice() ?? new Float32Array(value.size),
    v: given?.v.dataSync<"float32">().slice() ?? new Float32Array(value.size),
  };
  tf.dispose(given ?? {});
  const slices: Slice[] = [];
  for (let start = 0; start < value.size; start += SLICE) {
    const count = Math.min(SLICE, value.size - start);
    const part = (array: Float32Array): OrtTensor => tensorOver(array.subarray(start, start + count), [count]);
    slices.push({ start, count, value: part(data.value), m: part(data.m), v: part(data.v) });
  }
  return { name, shape: value.shape, slices, ...data };
}

/** Stores parameters and moments in JavaScript's memory. */
export function createFlatStore(initial: readonly InitialSlot[], options: AdamWOptions): AdamWStore {
  const update = openUpdate(options);
  const slots = initial.map(createSlot);
  // over the arrays, which an update changes where they stand
  const tensors = Object.fromEntries(slots.map(({ name, shape, value }) => [name, tf.keep(tf.tensor(value, shape))]));
  return {
    values: () => tensors,
    update(gradients, by) {
      update.set(factorsOf(by, options));
      for (const { name, slices } of slots) {
        const whole = gradientOf(gradients, name);
        for (const { start, count, value, m, v } of slices) {
          const gradient = partOf(whole, start, count);
          update.run({ value, m, v, gradient });
          release(gradient);
        }
      }
    },
    moments: () =>
      Object.fromEntries(
        slots.map(({ name, shape, m, v }) => [
          name,
          { m: tf.tensor(m.slice(), shape), v: tf.tensor(v.slice(), shape) },
        ]),
      ),
    dispose() {
      tf.dispose(tensors);
      for (const { value, m, v } of slots.flatMap(({ slices }) => slices)) [value, m, v].forEach(release);
      update.close();
    },
  };
}

function gradientOf(gradients: Parameters, name: string): OrtTensor {
  const gradient = gradients[name];
  if (gradient === undefined) throw new Error(`no gradient for ${name}`);
  return onnxMemory().ortTensor(gradient);
}

function factorsOf(
  { learningRate, scale, beta1Power, beta2Power }: Update,
  { beta1, beta2, weightDecay }: AdamWOptions,
): Record<(typeof FACTORS)[number], number> {
  return {
    ofGradient: (1 - beta1) * scale,
    ofSquare: (1 - beta2) * scale ** 2,
    ofValue: 1 - learningRate * weightDecay,
    ofRoot: 1 / Math.sqrt(1 - beta2Power),
    ofChange: learningRate / (1 - beta1Power),
  };
}
