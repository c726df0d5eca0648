// AdamW's parameters and moments as three long arrays, updated in place by one graph in onnxruntime, a slice at a time that stays in the
// processor's cache: a pass over memory for each of its operations would take several times as long. The arithmetic is that of adamw.ts.

import type { Parameters } from "../model/parameters.ts";
import { createGraph } from "../tensorflow/graphs/graph.ts";
import { openOnnxGraph } from "../tensorflow/graphs/onnx-graph.ts";
import { edgeName } from "../tensorflow/graphs/onnx-model.ts";
import type { Values } from "../tensorflow/graphs/onnx-session.ts";
import { type Tensor, tf } from "../tensorflow/tensorflow.ts";
import type { AdamWOptions, AdamWStore, InitialSlot, Update } from "./adamw.ts";

/** Elements updated at once. */
const SLICE = 65_536;

/** Names of the graph's inputs. */
const ARRAYS = ["value", "m", "v", "gradient"] as const;
const FACTORS = ["ofGradient", "ofSquare", "ofValue", "ofRoot", "ofChange"] as const;

/** value', m' and v' of one slice, each written where the old one stands: no other node reads that any more. */
function openUpdate({ beta1, beta2, epsilon, weightDecay }: AdamWOptions) {
  const graph = createGraph();
  const inputs = Object.fromEntries([...ARRAYS, ...FACTORS].map((name) => [name, graph.input()]));
  const input = (name: (typeof ARRAYS | typeof FACTORS)[number]) => inputs[name] ?? graph.scalar(Number.NaN);
  const mul = (a: ReturnType<typeof input>, b: ReturnType<typeof input>) => graph.op("Mul", [a, b]);
  const add = (a: ReturnType<typeof input>, b: ReturnType<typeof input>) => graph.op("AddV2", [a, b]);
  const gradient = input("gradient");
  const m = add(mul(input("m"), graph.scalar(beta1)), mul(gradient, input("ofGradient")));
  const v = add(mul(input("v"), graph.scalar(beta2)), mul(graph.op("Square", [gradient]), input("ofSquare")));
  const root = add(mul(graph.op("Sqrt", [v]), input("ofRoot")), graph.scalar(epsilon));
  const change = mul(graph.op("RealDiv", [m, root]), input("ofChange"));
  const decayed = weightDecay > 0 ? mul(input("value"), input("ofValue")) : input("value");
  const opened = openOnnxGraph(graph.nodes, [graph.op("Sub", [decayed, change]), m, v]);
  const names = new Map(Object.entries(inputs).map(([name, value]) => [name, edgeName(value)]));
  return {
    close: () => opened.close(),
    run(
      arrays: Record<(typeof ARRAYS)[number], Float32Array>,
      factors: Record<(typeof FACTORS)[number], number>,
    ): void {
      const values = new Map<string, Values>();
      for (const name of ARRAYS) values.set(name, { data: arrays[name], dims: [arrays[name].length] });
      for (const name of FACTORS) values.set(name, { data: Float32Array.of(factors[name]), dims: [1] });
      const feeds = new Map<string, Values>();
      for (const [name, value] of values) {
        const edge = names.get(name) ?? name;
        if (opened.inputNames.includes(edge)) feeds.set(edge, value);
      }
      const places = [arrays.value, arrays.m, arrays.v];
      opened.run(
        feeds,
        places.map((data) => ({ data, dims: [data.length] })),
      );
    },
  };
}

/** A parameter's place in the arrays. */
interface Slot {
  name: string;
  shape: number[];
  start: number;
  end: number;
}

/** Stores parameters and moments in JavaScript's memory. */
export function createFlatStore(initial: readonly InitialSlot[], options: AdamWOptions): AdamWStore {
  let total = 0;
  const slots = initial.map(({ name, value: { shape, size } }): Slot => {
    const start = total;
    total += size;
    return { name, shape, start, end: total };
  });
  const [values, m, v] = [new Float32Array(total), new Float32Array(total), new Float32Array(total)];
  initial.forEach(({ value, moments }, i) => {
    const { start = 0 } = slots[i] ?? {};
    values.set(value.dataSync<"float32">(), start);
    const given = moments();
    if (given === undefined) return;
    m.set(given.m.dataSync<"float32">(), start);
    v.set(given.v.dataSync<"float32">(), start);
    tf.dispose([given.m, given.v]);
  });
  const update = openUpdate(options);
  const gradient = new Float32Array(Math.min(SLICE, total));
  // views of the array, which an update changes where it stands
  const tensors = Object.fromEntries(
    slots.map(({ name, shape, start, end }) => [name, tf.keep(tf.tensor(values.subarray(start, end), shape))]),
  );
  return {
    values: () => tensors,
    update(gradients, by) {
      const parts = slots.map(({ name }) => gradientOf(gradients, name));
      const factors = factorsOf(by, options);
      for (let start = 0; start < total; start += SLICE) {
        const end = Math.min(total, start + SLICE);
        slots.forEach((slot, i) => {
          const [from, to] = [Math.max(start, slot.start), Math.min(end, slot.end)];
          if (from >= to) return;
          gradient.set(parts[i]?.subarray(from - slot.start, to - slot.start) ?? [], from - start);
        });
        const part = (array: Float32Array): Float32Array => array.subarray(start, end);
        update.run(
          { value: part(values), m: part(m), v: part(v), gradient: gradient.subarray(0, end - start) },
          factors,
        );
      }
    },
    moments: () =>
      Object.fromEntries(
        slots.map(({ name, shape, start, end }) => [
          name,
          { m: tf.tensor(m.slice(start, end), shape), v: tf.tensor(v.slice(start, end), shape) },
        ]),
      ),
    dispose() {
      tf.dispose(tensors);
      update.close();
    },
  };
}

function gradientOf(gradients: Parameters, name: string): Float32Array {
  const gradient: Tensor | undefined = gradients[name];
  if (gradient === undefined) throw new Error(`no gradient for ${name}`);
  return gradient.dataSync<"float32">();
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
