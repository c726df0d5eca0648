// A graph as an ONNX model: the second form, beside TensorFlow's own file, of the same nodes.

import { create, toBinary } from "@bufbuild/protobuf";
import {
  type AttributeProto,
  AttributeProto_AttributeType,
  AttributeProtoSchema,
  GraphProtoSchema,
  ModelProtoSchema,
  type NodeProto,
  NodeProtoSchema,
  OperatorSetIdProtoSchema,
  type TensorProto,
  TensorProto_DataType,
  TensorProtoSchema,
  type ValueInfoProto,
  ValueInfoProtoSchema,
} from "onnx-buf";
import type { ElementType, GraphNode, Value } from "./graph.ts";
import { ONNX_OPERATIONS, type OnnxAttribute, type OnnxGraph } from "./onnx-operations.ts";

/** IR version that goes with opset 17. */
const IR_VERSION = 8n;
const OPSETS = [
  ["", 17n],
  ["com.microsoft", 1n],
] as const;

const CODES: Readonly<Record<ElementType, TensorProto_DataType>> = {
  float32: TensorProto_DataType.FLOAT,
  int32: TensorProto_DataType.INT32,
};

/** The edge on which a value runs. */
export function edgeName({ node, output }: Value): string {
  return output === 0 ? node : `${node}:${output}`;
}

/** A model of nodes that all lead to `outputs`; its inputs are the placeholders among them. Throws for an operation that ONNX lacks here. */
export function onnxModel(nodes: readonly GraphNode[], outputs: readonly Value[]): Uint8Array {
  const written: NodeProto[] = [];
  const constants = new Map<string, TensorProto>();
  const graph = createOnnxGraph(nodes, written, constants);
  const inputs: ValueInfoProto[] = [];
  for (const node of nodes) {
    const { name, op, attributes } = node;
    if (op === "Placeholder") inputs.push(edge(name, typeOf(attributes.dtype)));
    else if (op === "Const") constants.set(name, constantTensor(node));
    else {
      const write = ONNX_OPERATIONS[op];
      if (write === undefined) throw new Error(`no form of ${op} in ONNX is known`);
      const result = write(graph, node.inputs.map(edgeName), node);
      const last = written.find(({ output }) => output[0] === result);
      if (last === undefined) throw new Error(`${op} wrote no node`);
      last.output = [name];
    }
  }
  const read = new Set(written.flatMap(({ input }) => input));
  return toBinary(
    ModelProtoSchema,
    create(ModelProtoSchema, {
      irVersion: IR_VERSION,
      producerName: "stepwise-dpo",
      opsetImport: OPSETS.map(([domain, version]) => create(OperatorSetIdProtoSchema, { domain, version })),
      graph: create(GraphProtoSchema, {
        name: "graph",
        node: written,
        input: inputs,
        output: outputs.map((value) => edge(edgeName(value), "float32")),
        initializer: [...constants].flatMap(([name, tensor]) => (read.has(name) ? [tensor] : [])),
      }),
    }),
  );
}

/** Nodes that lead to `outputs`, in their order. */
export function neededNodes(nodes: readonly GraphNode[], outputs: readonly Value[]): GraphNode[] {
  const needed = new Set(outputs.map(({ node }) => node));
  const found: GraphNode[] = [];
  for (const node of nodes.toReversed()) {
    if (!needed.has(node.name)) continue;
    found.push(node);
    for (const input of node.inputs) needed.add(input.node);
  }
  return found.reverse();
}

function createOnnxGraph(
  nodes: readonly GraphNode[],
  written: NodeProto[],
  constants: Map<string, TensorProto>,
): OnnxGraph {
  const constant = (
    name: string,
    dataType: TensorProto_DataType,
    content: Float32Array<ArrayBuffer> | BigInt64Array<ArrayBuffer>,
    dims: bigint[],
  ) => {
    constants.set(name, create(TensorProtoSchema, { name, dataType, dims, rawData: new Uint8Array(content.buffer) }));
    return name;
  };
  return {
    node(opType, input, attributes = {}, domain = "") {
      const name = `o${written.length}`;
      const attribute = Object.entries(attributes).map(([key, value]) => attributeProto(key, value));
      written.push(create(NodeProtoSchema, { name, opType, domain, input: [...input], output: [name], attribute }));
      return name;
    },
    int64: (values) =>
      constant(`ints(${values.join(",")})`, TensorProto_DataType.INT64, BigInt64Array.from(values, BigInt), [
        BigInt(values.length),
      ]),
    float: (value) => constant(`float(${value})`, TensorProto_DataType.FLOAT, Float32Array.of(value), []),
    constant(value) {
      const tensor = nodes.find(({ name }) => name === value?.node)?.attributes.value;
      if (tensor === undefined || !("tensor" in tensor)) throw new Error(`${value?.node} is no constant`);
      return tensor.tensor.values;
    },
  };
}

function typeOf(dtype: GraphNode["attributes"][string] | undefined): ElementType {
  return dtype !== undefined && "type" in dtype ? dtype.type : "float32";
}

/** An input or output of any shape. */
function edge(name: string, type: ElementType): ValueInfoProto {
  return create(ValueInfoProtoSchema, {
    name,
    type: { value: { case: "tensorType", value: { elemType: CODES[type] } } },
  });
}

function constantTensor({ name, attributes }: GraphNode): TensorProto {
  const { value } = attributes;
  if (value === undefined || !("tensor" in value)) throw new Error(`constant ${name} has no value`);
  const { type, shape, values } = value.tensor;
  const content = type === "float32" ? Float32Array.from(values) : Int32Array.from(values);
  return create(TensorProtoSchema, {
    name,
    dataType: CODES[type],
    dims: shape.map(BigInt),
    rawData: new Uint8Array(content.buffer),
  });
}

function attributeProto(name: string, attribute: OnnxAttribute): AttributeProto {
  const type = AttributeProto_AttributeType;
  if ("int" in attribute) return create(AttributeProtoSchema, { name, type: type.INT, i: BigInt(attribute.int) });
  if ("text" in attribute)
    return create(AttributeProtoSchema, { name, type: type.STRING, s: new TextEncoder().encode(attribute.text) });
  return create(AttributeProtoSchema, { name, type: type.INTS, ints: attribute.ints.map(BigInt) });
}
