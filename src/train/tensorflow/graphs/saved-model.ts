// A graph as TensorFlow's SavedModel file, the one form in which tfjs-node takes a graph (saved_model.proto, meta_graph.proto, graph.proto,
// node_def.proto, attr_value.proto, tensor.proto of TensorFlow 2.9; field numbers below).

import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import type { Attribute, ElementType, GraphNode, Value } from "./graph.ts";

/** Tag under which the graph is found in the file. */
export const GRAPH_TAG = "serve";

const DATA_TYPES: Readonly<Record<ElementType, number>> = { float32: 1, int32: 3 };

/** GraphDef's version as TensorFlow 2.9 wrote it. */
const PRODUCER = 1087;

const text = (writer: BinaryWriter, field: number, value: string): BinaryWriter =>
  writer.tag(field, WireType.LengthDelimited).string(value);

const whole = (writer: BinaryWriter, field: number, value: number): BinaryWriter =>
  writer.tag(field, WireType.Varint).int64(value);

function message(writer: BinaryWriter, field: number, write: (inner: BinaryWriter) => void): void {
  writer.tag(field, WireType.LengthDelimited).fork();
  write(writer);
  writer.join();
}

/** As GraphDef names an output: the first one goes by its node's name. */
function outputName({ node, output }: Value): string {
  return output === 0 ? node : `${node}:${output}`;
}

/** TensorShapeProto: dim 2 = { size 1 }. */
function dimensions(writer: BinaryWriter, shape: readonly number[]): void {
  for (const size of shape) message(writer, 2, (dim) => whole(dim, 1, size));
}

/** AttrValue: text 2, int 3, bool 5, type 6, shape 7, tensor 8 = { dtype 1, tensor_shape 2, tensor_content 4 }. */
function attributeValue(writer: BinaryWriter, attribute: Attribute): void {
  if ("int" in attribute) whole(writer, 3, attribute.int);
  else if ("text" in attribute) text(writer, 2, attribute.text);
  else if ("shape" in attribute) message(writer, 7, (dims) => dimensions(dims, attribute.shape));
  else if ("bool" in attribute) writer.tag(5, WireType.Varint).bool(attribute.bool);
  else if ("type" in attribute) whole(writer, 6, DATA_TYPES[attribute.type]);
  else {
    const { type, shape, values } = attribute.tensor;
    const content = type === "float32" ? Float32Array.from(values) : Int32Array.from(values);
    message(writer, 8, (tensor) => {
      whole(tensor, 1, DATA_TYPES[type]);
      message(tensor, 2, (dims) => dimensions(dims, shape));
      tensor.tag(4, WireType.LengthDelimited).bytes(new Uint8Array(content.buffer));
    });
  }
}

/** NodeDef: name 1, op 2, input 3 ("^name" only orders), attr 5 (a map: key 1, value 2). */
function nodeDef(writer: BinaryWriter, { name, op, inputs, attributes, after = [] }: GraphNode): void {
  text(text(writer, 1, name), 2, op);
  for (const input of inputs) text(writer, 3, outputName(input));
  for (const { node } of after) text(writer, 3, `^${node}`);
  for (const [key, attribute] of Object.entries(attributes)) {
    message(writer, 5, (entry) => {
      text(entry, 1, key);
      message(entry, 2, (value) => attributeValue(value, attribute));
    });
  }
}

/** SavedModel: schema version 1, meta graph 2 = { info 1 = { tag 4 }, graph 2 = { node 1, versions 4 = { producer 1 } } }. */
export function savedModel(nodes: readonly GraphNode[]): Uint8Array {
  const writer = whole(new BinaryWriter(), 1, 1);
  message(writer, 2, (meta) => {
    message(meta, 1, (info) => text(info, 4, GRAPH_TAG));
    message(meta, 2, (graph) => {
      for (const node of nodes) message(graph, 1, (inner) => nodeDef(inner, node));
      message(graph, 4, (versions) => whole(versions, 1, PRODUCER));
    });
  });
  return writer.finish();
}
