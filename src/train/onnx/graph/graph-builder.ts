// Builds one ONNX graph. A value is an object that knows its element type, so a wrong wire is a type error;
// weights are only described here (name, shape, loader) and read when the file is written.

import { create } from "@bufbuild/protobuf";
import {
  type AttributeProto,
  AttributeProto_AttributeType,
  AttributeProtoSchema,
  type NodeProto,
  NodeProtoSchema,
  TensorProto_DataType,
  type ValueInfoProto,
  ValueInfoProtoSchema,
} from "onnx-buf";

export type ElementType = "float32" | "int64" | "int32" | "int8" | "uint8" | "bool";

/** ONNX code and bytes per element. */
export const ELEMENT: Record<ElementType, { code: TensorProto_DataType; bytes: number }> = {
  float32: { code: TensorProto_DataType.FLOAT, bytes: 4 },
  int64: { code: TensorProto_DataType.INT64, bytes: 8 },
  int32: { code: TensorProto_DataType.INT32, bytes: 4 },
  int8: { code: TensorProto_DataType.INT8, bytes: 1 },
  uint8: { code: TensorProto_DataType.UINT8, bytes: 1 },
  bool: { code: TensorProto_DataType.BOOL, bytes: 1 },
};

/** An edge of the graph. */
export interface Value<T extends ElementType = ElementType> {
  readonly type: T;
  readonly name: string;
}

/** A constant whose bytes (little-endian, row-major) are asked for when the file is written. */
export interface Initializer<T extends ElementType = ElementType> {
  name: string;
  type: T;
  shape: readonly number[];
  load: () => Uint8Array | Promise<Uint8Array>;
}

/** A number is a fixed dimension, a string the name of one that varies. */
export type Dimension = number | string;

export type Attribute = { int: number } | { ints: readonly number[] } | { float: number };

export interface Graph {
  name: string;
  nodes: NodeProto[];
  inputs: ValueInfoProto[];
  outputs: ValueInfoProto[];
  initializers: Initializer[];
}

/** Collects nodes in the order they are wired, which is a topological order. */
export class GraphBuilder {
  readonly #graph: Graph;
  readonly #path: string[] = [];
  readonly #constants = new Map<string, Initializer>();
  readonly #names = new Map<string, number>();
  readonly #outputNames = new Map<string, string>();

  constructor(name: string) {
    this.#graph = { name, nodes: [], inputs: [], outputs: [], initializers: [] };
  }

  input<T extends ElementType>(name: string, type: T, shape: readonly Dimension[]): Value<T> {
    this.#graph.inputs.push(valueInfo(name, type, shape));
    return { name, type };
  }

  /** Makes `value` an output called `name`; a value can be one output only. */
  output(name: string, value: Value, shape: readonly Dimension[]): void {
    this.#graph.outputs.push(valueInfo(name, value.type, shape));
    this.#outputNames.set(value.name, name);
  }

  /** A weight; the same name again gives the same value. */
  weight<T extends ElementType>(initializer: Initializer<T>): Value<T> {
    if (!this.#constants.has(initializer.name)) {
      this.#constants.set(initializer.name, initializer);
      this.#graph.initializers.push(initializer);
    }
    return { name: initializer.name, type: initializer.type };
  }

  /** Small integers as a 1-d tensor (a scalar where one number is given). */
  int64(values: number | readonly number[]): Value<"int64"> {
    const list = typeof values === "number" ? [values] : values;
    const shape = typeof values === "number" ? [] : [list.length];
    const bytes = new Uint8Array(BigInt64Array.from(list, BigInt).buffer);
    return this.weight({ name: `int64_${shape.join("")}(${list.join(",")})`, type: "int64", shape, load: () => bytes });
  }

  /** A float scalar. */
  float(value: number): Value<"float32"> {
    const bytes = new Uint8Array(Float32Array.of(value).buffer);
    return this.weight({ name: `float(${value})`, type: "float32", shape: [], load: () => bytes });
  }

  /** An unsigned byte, scalar. */
  uint8(value: number): Value<"uint8"> {
    return this.weight({ name: `uint8(${value})`, type: "uint8", shape: [], load: () => Uint8Array.of(value) });
  }

  /** A value not yet produced: pass it to `emit` as an output. */
  value<T extends ElementType>(type: T, opType: string): Value<T> {
    const base = `/${[...this.#path, opType].join("/")}`;
    const count = this.#names.get(base) ?? 0;
    this.#names.set(base, count + 1);
    return { name: count === 0 ? base : `${base}_${count}`, type };
  }

  /**
   * Appends a node; its name is that of its first output, so runtime errors name the place in the model. An optional input or output
   * that is left out is undefined; `domain` is that of operators outside the standard.
   */
  emit(
    opType: string,
    inputs: readonly (Value | undefined)[],
    outputs: readonly (Value | undefined)[],
    { attributes = {}, domain = "" }: { attributes?: Record<string, Attribute>; domain?: string } = {},
  ): void {
    this.#graph.nodes.push(
      create(NodeProtoSchema, {
        name: outputs[0]?.name ?? opType,
        opType,
        domain,
        input: inputs.map((value) => value?.name ?? ""),
        output: outputs.map((value) => value?.name ?? ""),
        attribute: Object.entries(attributes).map(([name, attribute]) => attributeProto(name, attribute)),
      }),
    );
  }

  /** Runs `build` with `name` added to the names of the nodes it emits. */
  within<R>(name: string, build: () => R): R {
    this.#path.push(name);
    try {
      return build();
    } finally {
      this.#path.pop();
    }
  }

  /** The finished graph. */
  finish(): Graph {
    const rename = (name: string): string => this.#outputNames.get(name) ?? name;
    for (const node of this.#graph.nodes) {
      node.input = node.input.map(rename);
      node.output = node.output.map(rename);
    }
    return this.#graph;
  }
}

function valueInfo(name: string, type: ElementType, shape: readonly Dimension[]): ValueInfoProto {
  const dim = shape.map((size) => ({
    value:
      typeof size === "number"
        ? { case: "dimValue" as const, value: BigInt(size) }
        : { case: "dimParam" as const, value: size },
  }));
  return create(ValueInfoProtoSchema, {
    name,
    type: { value: { case: "tensorType", value: { elemType: ELEMENT[type].code, shape: { dim } } } },
  });
}

function attributeProto(name: string, attribute: Attribute): AttributeProto {
  if ("int" in attribute) {
    return create(AttributeProtoSchema, { name, type: AttributeProto_AttributeType.INT, i: BigInt(attribute.int) });
  }
  if ("float" in attribute) {
    return create(AttributeProtoSchema, { name, type: AttributeProto_AttributeType.FLOAT, f: attribute.float });
  }
  return create(AttributeProtoSchema, {
    name,
    type: AttributeProto_AttributeType.INTS,
    ints: attribute.ints.map(BigInt),
  });
}
