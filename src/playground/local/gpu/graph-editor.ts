// An exported graph that is changed before the runtime opens it: nodes are replaced by others, in their place.

import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  AttributeProto_AttributeType,
  AttributeProtoSchema,
  type GraphProto,
  ModelProtoSchema,
  type NodeProto,
  NodeProtoSchema,
  TensorProto_DataType,
  TensorProtoSchema,
} from "onnx-buf";

export const { FLOAT, INT64 } = TensorProto_DataType;

/** Writes nodes; what they are given and give are names of values. */
export interface GraphEditor {
  readonly graph: GraphProto;
  /** A node with one output, whose name it returns; `output` gives it one. */
  node(
    op: string,
    inputs: readonly string[],
    attributes?: Readonly<Record<string, Attribute>>,
    output?: string,
  ): string;
  /** A constant of integers, `[length]`. */
  ints(...values: number[]): string;
  /** A constant number. */
  float(value: number): string;
  int(value: number): string;
}

type Attribute = number | readonly number[];

/** The graph with every node that `replace` takes replaced by those that it writes; it returns false for a node that stays. */
export function editGraph(bytes: Uint8Array, replace: (node: NodeProto, editor: GraphEditor) => boolean): Uint8Array {
  const model = fromBinary(ModelProtoSchema, bytes);
  const { graph } = model;
  if (graph === undefined) throw new TypeError("a model without a graph");
  const nodes: NodeProto[] = [];
  const editor = createEditor(graph, nodes);
  for (const node of graph.node) if (!replace(node, editor)) nodes.push(node);
  graph.node = nodes;
  return toBinary(ModelProtoSchema, model);
}

function createEditor(graph: GraphProto, nodes: NodeProto[]): GraphEditor {
  let last = 0;
  const fresh = (): string => `gpu_${++last}`;
  const constant = (
    dataType: TensorProto_DataType,
    dims: readonly number[],
    rawData: Uint8Array<ArrayBuffer>,
  ): string => {
    const name = fresh();
    graph.initializer.push(create(TensorProtoSchema, { name, dataType, dims: dims.map(BigInt), rawData }));
    return name;
  };
  const bytesOf = (values: readonly number[]): Uint8Array<ArrayBuffer> =>
    new Uint8Array(BigInt64Array.from(values, BigInt).buffer);
  return {
    graph,
    node(op, inputs, attributes = {}, output = fresh()) {
      const attribute = Object.entries(attributes).map(([name, value]) =>
        typeof value === "number"
          ? create(AttributeProtoSchema, { name, type: AttributeProto_AttributeType.INT, i: BigInt(value) })
          : create(AttributeProtoSchema, { name, type: AttributeProto_AttributeType.INTS, ints: value.map(BigInt) }),
      );
      nodes.push(
        create(NodeProtoSchema, { name: output, opType: op, input: [...inputs], output: [output], attribute }),
      );
      return output;
    },
    ints: (...values) => constant(INT64, [values.length], bytesOf(values)),
    int: (value) => constant(INT64, [], bytesOf([value])),
    float: (value) => constant(FLOAT, [], new Uint8Array(Float32Array.of(value).buffer)),
  };
}
