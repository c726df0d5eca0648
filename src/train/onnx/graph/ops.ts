// The ONNX operators (ai.onnx opset 17) that T5 needs, as typed functions: https://onnx.ai/onnx/operators/

import type { Attribute, ElementType, GraphBuilder, Value } from "./graph-builder.ts";

/** Opset of every operator below. */
export const OPSET = 17;

type Float = Value<"float32">;
type Int = Value<"int64">;
type Numeric = "float32" | "int64" | "int32";

/** The operators as functions that append to `graph`. */
export function createOps(graph: GraphBuilder) {
  /** One output of the given type. */
  const node = <T extends ElementType>(
    opType: string,
    type: T,
    inputs: readonly Value[],
    attributes: Record<string, Attribute> = {},
  ): Value<T> => {
    const out = graph.value(type, opType);
    graph.emit(opType, inputs, [out], { attributes });
    return out;
  };
  const elementwise =
    (opType: string) =>
    <T extends Numeric>(a: Value<T>, b: Value<T>): Value<T> =>
      node(opType, a.type, [a, b]);
  return {
    add: elementwise("Add"),
    sub: elementwise("Sub"),
    mul: elementwise("Mul"),
    div: elementwise("Div"),
    pow: elementwise("Pow"),
    sqrt: (x: Float): Float => node("Sqrt", "float32", [x]),
    tanh: (x: Float): Float => node("Tanh", "float32", [x]),
    relu: (x: Float): Float => node("Relu", "float32", [x]),
    softmax: (x: Float): Float => node("Softmax", "float32", [x], { axis: { int: -1 } }),
    /** Mean over the last axis, which stays as size 1. */
    reduceMean: (x: Float): Float => node("ReduceMean", "float32", [x], { axes: { ints: [-1] }, keepdims: { int: 1 } }),
    matMul: (a: Float, b: Float): Float => node("MatMul", "float32", [a, b]),
    /** The product of `a - zeroPoint` and `b`. */
    matMulInteger: (a: Value<"uint8">, b: Value<"int8">, zeroPoint: Value<"uint8">): Value<"int32"> =>
      node("MatMulInteger", "int32", [a, b, zeroPoint]),
    abs: (x: Float): Float => node("Abs", "float32", [x]),
    /** Largest value along the last axis, kept as 1. */
    reduceMax: (x: Float): Float => node("ReduceMax", "float32", [x], { axes: { ints: [-1] }, keepdims: { int: 1 } }),
    /** Sum over `axes`, which go. */
    reduceSum: (x: Float, axes: Int): Float => node("ReduceSum", "float32", [x, axes], { keepdims: { int: 0 } }),
    round: (x: Float): Float => node("Round", "float32", [x]),
    cast: <T extends Numeric | "uint8">(x: Value, type: T): Value<T> =>
      node("Cast", type, [x], { to: { int: CAST_CODE[type] } }),
    /** `x [rows, n]` in steps of `scale [rows]`, around `zeroPoint [rows]`, from 0 to 255. */
    quantize: (x: Float, scale: Float, zeroPoint: Value<"uint8">): Value<"uint8"> =>
      node("QuantizeLinear", "uint8", [x, scale, zeroPoint], { axis: { int: 0 } }),
    expand: <T extends ElementType>(x: Value<T>, shape: Int): Value<T> => node("Expand", x.type, [x, shape]),
    equal: (a: Int, b: Int): Value<"bool"> => node("Equal", "bool", [a, b]),
    less: (a: Int, b: Int): Value<"bool"> => node("Less", "bool", [a, b]),
    where: <T extends ElementType>(condition: Value<"bool">, a: Value<T>, b: Value<T>): Value<T> =>
      node("Where", a.type, [condition, a, b]),
    clip: (x: Int, min: Int, max: Int): Int => node("Clip", "int64", [x, min, max]),
    gather: <T extends ElementType>(table: Value<T>, indices: Int, axis = 0): Value<T> =>
      node("Gather", table.type, [table, indices], { axis: { int: axis } }),
    concat: <T extends ElementType>(parts: readonly [Value<T>, ...Value<T>[]], axis: number): Value<T> =>
      node("Concat", parts[0].type, parts, { axis: { int: axis } }),
    slice: <T extends ElementType>(x: Value<T>, starts: Int, ends: Int, axes: Int): Value<T> =>
      node("Slice", x.type, [x, starts, ends, axes]),
    /** `[2B, ...]` as its first and its last B. */
    halves: <T extends ElementType>(x: Value<T>): [Value<T>, Value<T>] => {
      const parts: [Value<T>, Value<T>] = [graph.value(x.type, "Split"), graph.value(x.type, "Split")];
      graph.emit("Split", [x], parts, { attributes: { axis: { int: 0 } } });
      return parts;
    },
    reshape: <T extends ElementType>(x: Value<T>, shape: Int): Value<T> => node("Reshape", x.type, [x, shape]),
    transpose: <T extends ElementType>(x: Value<T>, perm: readonly number[]): Value<T> =>
      node("Transpose", x.type, [x], { perm: { ints: perm } }),
    unsqueeze: <T extends ElementType>(x: Value<T>, axes: Int): Value<T> => node("Unsqueeze", x.type, [x, axes]),
    /** Size of one axis, `[1]`. */
    sizeOf: (x: Value, axis: number): Int =>
      node("Shape", "int64", [x], { start: { int: axis }, end: { int: axis + 1 } }),
    squeeze: (x: Int): Int => node("Squeeze", "int64", [x]),
    /** `[0, count)`, for a scalar count. */
    range: (count: Int): Int => node("Range", "int64", [graph.int64(0), count, graph.int64(1)]),
  };
}

export type Ops = ReturnType<typeof createOps>;

const CAST_CODE: Record<Numeric | "uint8", number> = { float32: 1, int64: 7, int32: 6, uint8: 2 };
