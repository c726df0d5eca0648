// onnxruntime as a backend of TensorFlow.js, made of TensorFlow.js's own "cpu" backend: its tensors may lie in onnxruntime's memory, and
// kernels that cost time are replaced by graphs of one operation; what stays in JavaScript are small tensors and whole numbers.

import type { tf as TensorFlow } from "../tensorflow.ts";
import { createGraph, type Graph, type Value } from "./graph.ts";
import { openOnnxGraph } from "./onnx-graph.ts";
import { isMemoryBackend, onnxMemory, startOnnxMemory } from "./onnx-memory.ts";
import { onnxRuntime } from "./onnx-runtime.ts";
import type { OrtTensor } from "./ort-tensor.ts";
import type { GraphRuntime } from "./run-graph.ts";

export const ONNX_BACKEND = "onnxruntime";

/** Elements of a result below which entering onnxruntime costs more than the loop in JavaScript. */
const SMALL = 2048;

type KernelFunc = TensorFlow.KernelConfig["kernelFunc"];
type Call = Parameters<KernelFunc>[0];
type TensorInfo = TensorFlow.TensorInfo;

/** A kernel of TensorFlow.js as an operation of a graph. */
interface Kernel {
  name: string;
  /** Its inputs in the order of the operation. */
  inputs: (inputs: Call["inputs"]) => (TensorInfo | undefined)[];
  /** Writes the operation; undefined: this case stays with JavaScript. */
  write(
    attrs: NonNullable<Call["attrs"]>,
    inputs: readonly TensorInfo[],
  ): ((graph: Graph, inputs: readonly Value[]) => Value) | undefined;
}

const sizeOf = ({ shape }: TensorInfo): number => shape.reduce((product, size) => product * size, 1);
const isLarge = (inputs: readonly TensorInfo[]): boolean => inputs.some((input) => sizeOf(input) >= SMALL);

const binary = (name: string, op: string): Kernel => ({
  name,
  inputs: ({ a, b }) => [a, b],
  write: (_, inputs) => (isLarge(inputs) ? (graph, values) => graph.op(op, values) : undefined),
});

const unary = (name: string, op = name): Kernel => ({
  name,
  inputs: ({ x }) => [x],
  write: (_, inputs) => (isLarge(inputs) ? (graph, values) => graph.op(op, values) : undefined),
});

const whole = (value: unknown): number[] => [value].flat().filter((item) => typeof item === "number");

const reduction = (name: "Sum" | "Mean" | "Max"): Kernel => ({
  name,
  inputs: ({ x }) => [x],
  write({ axis, reductionIndices, keepDims }, inputs) {
    const rank = inputs[0]?.shape.length ?? 0;
    const given = whole(axis ?? reductionIndices);
    const axes = given.length > 0 ? given : Array.from({ length: rank }, (_, i) => i);
    if (!isLarge(inputs)) return undefined;
    return (graph, [x]) =>
      graph.op(name, [x ?? graph.scalar(Number.NaN), graph.integers(...axes)], {
        keep_dims: { bool: keepDims === true },
      });
  },
});

/** An operation whose second input is whole numbers that TensorFlow.js has as an attribute. */
const withNumbers = (name: string, attribute: string): Kernel => ({
  name,
  inputs: ({ x }) => [x],
  write: (attrs, inputs) =>
    isLarge(inputs)
      ? (graph, values) => graph.op(name, [...values, graph.integers(...whole(attrs[attribute]))])
      : undefined,
});

const KERNELS: readonly Kernel[] = [
  binary("Add", "AddV2"),
  binary("Sub", "Sub"),
  binary("Multiply", "Mul"),
  binary("RealDiv", "RealDiv"),
  ...["Exp", "Log", "Neg", "Sqrt", "Rsqrt", "Square", "Sigmoid", "Relu"].map((name) => unary(name)),
  ...(["Sum", "Mean", "Max"] as const).map(reduction),
  withNumbers("Transpose", "perm"),
  withNumbers("Tile", "reps"),
  {
    name: "AddN",
    inputs: (inputs) => Object.values(inputs),
    write: (_, inputs) =>
      isLarge(inputs) ? (graph, values) => graph.op("AddN", values, { N: { int: values.length } }) : undefined,
  },
  {
    name: "Softmax",
    inputs: ({ logits }) => [logits],
    write: ({ dim }, inputs) =>
      isLarge(inputs) && dim === (inputs[0]?.shape.length ?? 0) - 1
        ? (graph, values) => graph.op("Softmax", values)
        : undefined,
  },
  {
    name: "GatherV2",
    inputs: ({ x, indices }) => [x, indices],
    write: ({ axis, batchDims }) =>
      axis === 0 && batchDims === 0
        ? (graph, values) => graph.op("GatherV2", [...values, graph.integer(0)])
        : undefined,
  },
  {
    name: "BatchMatMul",
    inputs: ({ a, b }) => [a, b],
    write:
      ({ transposeA, transposeB }) =>
      (graph, values) =>
        graph.op("BatchMatMulV2", values, {
          adj_x: { bool: transposeA === true },
          adj_y: { bool: transposeB === true },
        }),
  },
];

/** Registers the backend with TensorFlow.js, which then knows it as ONNX_BACKEND; the result runs whole graphs on its tensors. */
export function registerOnnxBackend(tf: typeof TensorFlow): GraphRuntime {
  const createMemoryBackend = tf.findBackendFactory("cpu");
  tf.registerBackend(ONNX_BACKEND, async () => {
    const backend = await createMemoryBackend();
    Reflect.set(backend, "firstUse", false); // its first tensor would advertise the native backend
    if (!isMemoryBackend(backend)) throw new Error("TensorFlow.js's cpu backend has changed its shape");
    startOnnxMemory(backend);
    return backend;
  });
  tf.copyRegisteredKernels("cpu", ONNX_BACKEND);
  for (const kernel of KERNELS) {
    const inJavaScript = tf.getKernel(kernel.name, ONNX_BACKEND);
    tf.unregisterKernel(kernel.name, ONNX_BACKEND);
    tf.registerKernel({ ...inJavaScript, kernelFunc: inOnnxruntime(kernel, inJavaScript.kernelFunc) });
  }
  return onnxRuntime(tf);
}

function inOnnxruntime(kernel: Kernel, inJavaScript: KernelFunc): KernelFunc {
  const opened = new Map<string, (infos: readonly TensorInfo[]) => OrtTensor>();
  return (call) => {
    const infos = kernel.inputs(call.inputs).filter((info) => info !== undefined);
    const write =
      infos.some(isEmpty) || infos[0]?.dtype !== "float32" ? undefined : kernel.write(call.attrs ?? {}, infos);
    if (write === undefined) return inJavaScript(call);
    const key = JSON.stringify([infos.length, infos[0]?.shape.length, call.attrs]);
    const run = opened.get(key) ?? openOperation(infos, write);
    opened.set(key, run);
    return onnxMemory().tensorInfo(run(infos));
  };
}

const isEmpty = ({ shape }: TensorInfo): boolean => shape.includes(0);

function openOperation(
  infos: readonly TensorInfo[],
  write: (graph: Graph, inputs: readonly Value[]) => Value,
): (infos: readonly TensorInfo[]) => OrtTensor {
  const graph = createGraph();
  const inputs = infos.map(({ dtype }) => graph.input(dtype === "int32" ? "int32" : "float32"));
  const { run } = openOnnxGraph(graph.nodes, [write(graph, inputs)]);
  return (given) => {
    const [made] = run(given.map(onnxMemory().ortTensor));
    if (made === undefined) throw new Error("onnxruntime gave no result");
    return made;
  };
}
