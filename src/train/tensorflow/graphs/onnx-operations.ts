// TensorFlow's operations that graphs here are made of, in ONNX's (opset 17, and onnxruntime's FusedMatMul for transposed factors):
// https://onnx.ai/onnx/operators/, https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md

import type { Attribute, GraphNode, Value } from "./graph.ts";

export type OnnxAttribute = { int: number } | { ints: readonly number[] } | { text: string };

/** An ONNX graph that is being written. A value is the name of an edge. */
export interface OnnxGraph {
  /** Adds a node and returns its output. `domain` is that of operators outside the standard. */
  node(
    op: string,
    inputs: readonly string[],
    attributes?: Readonly<Record<string, OnnxAttribute>>,
    domain?: string,
  ): string;
  /** Whole numbers as a constant: shapes and axes. */
  int64(values: readonly number[]): string;
  float(value: number): string;
  /** The values of a constant of the TensorFlow graph. Throws for an input that is none. */
  constant(value: Value | undefined): readonly number[];
}

type Write = (graph: OnnxGraph, inputs: readonly string[], node: GraphNode) => string;

const isTrue = (attribute: Attribute | undefined): boolean =>
  attribute !== undefined && "bool" in attribute && attribute.bool;

/** The same operation under its name in ONNX. */
const as =
  (op: string, attributes?: Record<string, OnnxAttribute>): Write =>
  (graph, inputs) =>
    graph.node(op, inputs, attributes);

const matMul =
  (left: string, right: string): Write =>
  (graph, inputs, { attributes }) => {
    const transposed = { transA: isTrue(attributes[left]), transB: isTrue(attributes[right]) };
    if (!transposed.transA && !transposed.transB) return graph.node("MatMul", inputs);
    const flags = Object.fromEntries(Object.entries(transposed).map(([name, yes]) => [name, { int: Number(yes) }]));
    return graph.node("FusedMatMul", inputs, flags, "com.microsoft");
  };

/** `axesAsInput`: only ReduceSum takes its axes as an input in this opset. */
const reduce =
  (op: string, axesAsInput = false): Write =>
  (graph, [x = ""], { inputs, attributes }) => {
    const axes = graph.constant(inputs[1]);
    const keepdims = { int: Number(isTrue(attributes.keep_dims)) };
    return axesAsInput
      ? graph.node(op, [x, graph.int64(axes)], { keepdims })
      : graph.node(op, [x], { keepdims, axes: { ints: axes } });
  };

/** What takes places as int32 in TensorFlow takes int64 in ONNX. */
const int64 = (graph: OnnxGraph, places: string): string => graph.node("Cast", [places], { to: { int: 7 } });

/** TensorFlow's operation -> how ONNX says it. */
export const ONNX_OPERATIONS: Readonly<Record<string, Write>> = {
  Mul: as("Mul"),
  AddV2: as("Add"),
  AddN: as("Sum"),
  Sub: as("Sub"),
  RealDiv: as("Div"),
  Neg: as("Neg"),
  Exp: as("Exp"),
  Log: as("Log"),
  Sqrt: as("Sqrt"),
  Sigmoid: as("Sigmoid"),
  Relu: as("Relu"),
  Identity: as("Identity"),
  Softmax: as("Softmax", { axis: { int: -1 } }),
  GatherNd: (graph, [x = "", places = ""]) => graph.node("GatherND", [x, int64(graph, places)]),
  Square: (graph, [x = ""]) => graph.node("Mul", [x, x]),
  Rsqrt: (graph, [x = ""]) => graph.node("Reciprocal", [graph.node("Sqrt", [x])]),
  MatMul: matMul("transpose_a", "transpose_b"),
  BatchMatMulV2: matMul("adj_x", "adj_y"),
  Sum: reduce("ReduceSum", true),
  Mean: reduce("ReduceMean"),
  Max: reduce("ReduceMax"),
  /** Half the sum of squares. */
  L2Loss: (graph, [x = ""]) =>
    graph.node("Mul", [graph.node("ReduceSumSquare", [x], { keepdims: { int: 0 } }), graph.float(0.5)]),
  Reshape: (graph, [x = ""], { inputs }) => graph.node("Reshape", [x, graph.int64(graph.constant(inputs[1]))]),
  Transpose: (graph, [x = ""], { inputs }) =>
    graph.node("Transpose", [x], { perm: { ints: graph.constant(inputs[1]) } }),
  Tile: (graph, [x = ""], { inputs }) => graph.node("Tile", [x, graph.int64(graph.constant(inputs[1]))]),
  GatherV2: (graph, [x = "", index = ""], { inputs }) =>
    graph.node("Gather", [x, index], { axis: { int: graph.constant(inputs[2])[0] ?? 0 } }),
  /** dy y (1 - y), of y and dy. */
  SigmoidGrad: (graph, [y = "", dy = ""]) =>
    graph.node("Mul", [graph.node("Mul", [dy, y]), graph.node("Sub", [graph.float(1), y])]),
  /** dy where x > 0, of dy and x (or relu x). */
  ReluGrad: (graph, [dy = "", x = ""]) =>
    graph.node("Where", [graph.node("Greater", [x, graph.float(0)]), dy, graph.float(0)]),
  TensorScatterSub: (graph, [x = "", places = "", updates = ""]) =>
    graph.node("ScatterND", [x, int64(graph, places), graph.node("Neg", [updates])], { reduction: { text: "add" } }),
};
