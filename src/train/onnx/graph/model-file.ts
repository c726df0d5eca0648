// Writes a graph as an .onnx file without holding its weights: a protobuf message is its fields one after another,
// and every weight's size is known from its shape, so lengths come first and bytes follow as they are read.

import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import { create, toBinary } from "@bufbuild/protobuf";
import { BinaryWriter } from "@bufbuild/protobuf/wire";
import { GraphProtoSchema, ModelProtoSchema, OperatorSetIdProtoSchema, TensorProtoSchema } from "onnx-buf";
import { CapacityError, ShapeError } from "../../../shared/errors.ts";
import { writeBytes } from "../../io/write-bytes.ts";
import { ELEMENT, type Graph, type Initializer } from "./graph-builder.ts";
import { OPSET } from "./ops.ts";
import { RUNTIME_DOMAIN, RUNTIME_OPSET } from "./runtime-ops.ts";

/** IR version that goes with opset 17. */
const IR_VERSION = 8n;

/** A protobuf message cannot be larger. */
const MAX_MODEL_BYTES = 2 ** 31 - 1;

/** ModelProto.graph, GraphProto.initializer and TensorProto.raw_data: (field number << 3) | 2 (length-delimited). */
const GRAPH_TAG = (7 << 3) | 2;
const INITIALIZER_TAG = (5 << 3) | 2;
const RAW_DATA_TAG = (9 << 3) | 2;

export interface WrittenFile {
  bytes: number;
  sha256: string;
}

/**
 * Writes the model to `path` (not atomic: give a temporary name). `onWeight` hears of each weight as it is written.
 * Throws CapacityError above 2 GiB before anything is written, ShapeError when a weight does not fill its shape.
 */
export async function writeModel(
  path: string,
  graph: Graph,
  onWeight: (bytes: number) => void = () => {},
): Promise<WrittenFile> {
  const { head, prefixes } = encodeFrame(graph, path);
  const file = await open(path, "w");
  try {
    const hash = createHash("sha256");
    let bytes = 0;
    const write = async (chunk: Uint8Array): Promise<void> => {
      hash.update(chunk);
      bytes += chunk.length;
      await writeBytes(file, chunk, path);
    };
    await write(head);
    for (const [i, initializer] of graph.initializers.entries()) {
      const raw = await initializer.load();
      if (raw.length !== rawBytes(initializer)) {
        throw new ShapeError({
          code: "wrong_shape",
          what: `${raw.length} bytes do not fill ${initializer.type} [${initializer.shape.join(", ")}]`,
          where: `${path}, initializer "${initializer.name}"`,
        });
      }
      await write(prefixes[i] ?? new Uint8Array(0));
      await write(raw);
      onWeight(raw.length);
    }
    await file.sync();
    return { bytes, sha256: hash.digest("hex") };
  } finally {
    await file.close();
  }
}

/** Bytes of a weight in the file. */
export function rawBytes({ type, shape }: Pick<Initializer, "type" | "shape">): number {
  return shape.reduce((product, dim) => product * dim, ELEMENT[type].bytes);
}

/** The fields of a model beside its graph, whose nodes say which sets of operators it needs. */
export function modelHeader({ nodes }: Pick<Graph, "nodes">) {
  const opset = (domain: string, version: number) =>
    create(OperatorSetIdProtoSchema, { domain, version: BigInt(version) });
  const runtimes = nodes.some(({ domain }) => domain === RUNTIME_DOMAIN);
  return {
    irVersion: IR_VERSION,
    producerName: "stepwise-dpo",
    opsetImport: [opset("", OPSET), ...(runtimes ? [opset(RUNTIME_DOMAIN, RUNTIME_OPSET)] : [])],
  };
}

/** Everything but raw data: the start of the file, and what precedes each weight's bytes. */
function encodeFrame(graph: Graph, path: string): { head: Uint8Array; prefixes: Uint8Array[] } {
  const { name, nodes: node, inputs: input, outputs: output, initializers } = graph;
  const prefixes = initializers.map(initializerPrefix);
  const body = toBinary(GraphProtoSchema, create(GraphProtoSchema, { name, node, input, output }));
  const weightBytes = initializers.reduce((sum, item, i) => sum + (prefixes[i]?.length ?? 0) + rawBytes(item), 0);
  const graphBytes = body.length + weightBytes;
  if (graphBytes > MAX_MODEL_BYTES - 1024) {
    throw new CapacityError({
      code: "model_too_large",
      what: `${graph.name} would be ${(graphBytes / 2 ** 30).toFixed(1)} GiB, an .onnx file holds 2 GiB`,
      where: path,
      fix: "Export with --dtype int8, or export a smaller model.",
    });
  }
  const model = toBinary(ModelProtoSchema, create(ModelProtoSchema, modelHeader(graph)));
  const frame = new BinaryWriter().raw(model).uint32(GRAPH_TAG).uint32(graphBytes).raw(body);
  return { head: frame.finish(), prefixes };
}

/** Tag and length of the initializer, its TensorProto up to raw_data, tag and length of raw_data. */
function initializerPrefix(initializer: Initializer): Uint8Array {
  const raw = rawBytes(initializer);
  const description = toBinary(
    TensorProtoSchema,
    create(TensorProtoSchema, {
      dims: initializer.shape.map(BigInt),
      dataType: ELEMENT[initializer.type].code,
      name: initializer.name,
    }),
  );
  const tensor = new BinaryWriter().raw(description).uint32(RAW_DATA_TAG).uint32(raw).finish();
  return new BinaryWriter()
    .uint32(INITIALIZER_TAG)
    .uint32(tensor.length + raw)
    .raw(tensor)
    .finish();
}
