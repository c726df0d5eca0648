// onnxruntime as a backend of TensorFlow.js. JavaScript holds the values of tensors, as in TensorFlow.js's own "cpu" backend, whose kernels
// this one starts from: so onnxruntime reads them where they are. Kernels that cost time are replaced by graphs of one operation; what stays
// in JavaScript are small tensors, whole numbers, and what only moves values.

import type { tf as TensorFlow } from "../tensorflow.ts";
import { createGraph, type Graph, type Value } from "./graph.ts";
import { type OnnxGraphRun, openOnnxGraph } from "./onnx-graph.ts";
import { edgeName } from "./onnx-model.ts";
import { onnxRuntime } from "./onnx-runtime.ts";
import type { Values } from "./onnx-session.ts";
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
  const opened = new Map<string, Operation>();
  return (call) => {
    const infos = kernel.inputs(call.inputs).filter((info) => info !== undefined);
    const write =
      infos.some(isEmpty) || infos[0]?.dtype !== "float32" ? undefined : kernel.write(call.attrs ?? {}, infos);
    if (write === undefined) return inJavaScript(call);
    const key = JSON.stringify([infos.length, infos[0]?.shape.length, call.attrs]);
    const { graph, inputs } = opened.get(key) ?? openOperation(infos, write);
    opened.set(key, { graph, inputs });
    const backend = call.backend;
    if (!isMemoryBackend(backend)) throw new Error("TensorFlow.js's cpu backend has changed its shape");
    const feeds = infos.map(({ dataId, shape }, i): [string, Values] => [
      inputs[i] ?? "",
      { data: numbers(backend.readSync(dataId)), dims: shape },
    ]);
    const [output] = graph.run(new Map(feeds));
    if (!(output?.data instanceof Float32Array)) throw new TypeError(`${kernel.name} gave no float32`);
    return backend.makeTensorInfo([...output.dims], "float32", output.data);
  };
}

/** What is used here of a backend whose tensors are arrays of JavaScript. */
interface MemoryBackend {
  readSync(dataId: TensorInfo["dataId"]): unknown;
  makeTensorInfo(shape: number[], dtype: "float32", values: Float32Array): TensorInfo;
}

function isMemoryBackend(value: unknown): value is MemoryBackend {
  return typeof value === "object" && value !== null && "readSync" in value && "makeTensorInfo" in value;
}

function numbers(values: unknown): Float32Array | Int32Array {
  if (values instanceof Float32Array || values instanceof Int32Array) return values;
  throw new TypeError("a tensor of neither float32 nor int32");
}

const isEmpty = ({ shape }: TensorInfo): boolean => shape.includes(0);

interface Operation {
  graph: OnnxGraphRun;
  inputs: string[];
}

function openOperation(
  infos: readonly TensorInfo[],
  write: (graph: Graph, inputs: readonly Value[]) => Value,
): Operation {
  const graph = createGraph();
  const inputs = infos.map(({ dtype }) => graph.input(dtype === "int32" ? "int32" : "float32"));
  const result = write(graph, inputs);
  return { graph: openOnnxGraph(graph.nodes, [result]), inputs: inputs.map(edgeName) };
}
