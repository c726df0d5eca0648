// Writes a graph whose large weights lie in files beside it, in shards small enough for a worker's static assets: the runtime then copies
// each weight to its place, where the bytes of a whole .onnx file would be held twice. https://onnx.ai/onnx/repo-docs/ExternalData.html

import { createHash } from "node:crypto";
import { open, writeFile } from "node:fs/promises";
import { create, toBinary } from "@bufbuild/protobuf";
import {
  GraphProtoSchema,
  ModelProtoSchema,
  StringStringEntryProtoSchema,
  type TensorProto,
  TensorProto_DataLocation,
  TensorProtoSchema,
} from "onnx-buf";
import { ShapeError } from "../../../shared/errors.ts";
import { writeBytes } from "../../io/write-bytes.ts";
import { ELEMENT, type Graph, type Initializer } from "./graph-builder.ts";
import { modelHeader, rawBytes, type WrittenFile } from "./model-file.ts";

/** Weights below it stay inside the graph, where the runtime can fold them into constants. */
const MIN_EXTERNAL_BYTES = 1024;

/** A shard holds at most this (24 MiB; a static asset at most 25), unless a single weight is larger. */
const MAX_SHARD_BYTES = 24 * 2 ** 20;

/** Groups of initializers, in order, each of at most `maxBytes` together. */
export function planShards(
  initializers: readonly Initializer[],
  maxBytes = MAX_SHARD_BYTES,
): { initializers: Initializer[]; bytes: number }[] {
  const shards: { initializers: Initializer[]; bytes: number }[] = [];
  for (const initializer of initializers) {
    const bytes = rawBytes(initializer);
    if (bytes < MIN_EXTERNAL_BYTES) continue;
    const last = shards.at(-1);
    if (last !== undefined && last.bytes + bytes <= maxBytes) {
      last.initializers.push(initializer);
      last.bytes += bytes;
    } else shards.push({ initializers: [initializer], bytes });
  }
  return shards;
}

/**
 * Writes the graph to `path(name + ".onnx")` and its shards to `path(name + "_0.bin")` and so on; `path` may give temporary places, the
 * graph names its shards without them. Throws ShapeError when a weight does not fill its shape.
 */
export async function writeShardedModel(options: {
  name: string;
  graph: Graph;
  path: (file: string) => string;
  onWeight?: ((bytes: number) => void) | undefined;
}): Promise<{ graph: WrittenFile; shards: (WrittenFile & { name: string })[] }> {
  const { name, graph, path, onWeight = () => {} } = options;
  const external = new Map<string, TensorProto>();
  const shards = [];
  for (const [index, shard] of planShards(graph.initializers).entries()) {
    const shardName = `${name}_${index}.bin`;
    const file = await open(path(shardName), "w");
    const hash = createHash("sha256");
    let offset = 0;
    try {
      for (const initializer of shard.initializers) {
        const raw = await loadChecked(initializer, path(shardName));
        external.set(initializer.name, externalTensor(initializer, shardName, offset, raw.length));
        hash.update(raw);
        await writeBytes(file, raw, path(shardName));
        offset += raw.length;
        onWeight(raw.length);
      }
      await file.sync();
    } finally {
      await file.close();
    }
    shards.push({ name: shardName, bytes: offset, sha256: hash.digest("hex") });
  }
  const initializer: TensorProto[] = [];
  for (const weight of graph.initializers) {
    const elsewhere = external.get(weight.name);
    initializer.push(
      elsewhere ??
        create(TensorProtoSchema, {
          ...description(weight),
          rawData: new Uint8Array(await loadChecked(weight, path(`${name}.onnx`))),
        }),
    );
    if (elsewhere === undefined) onWeight(rawBytes(weight));
  }
  const { name: graphName, nodes: node, inputs: input, outputs: output } = graph;
  const proto = create(GraphProtoSchema, { name: graphName, node, input, output, initializer });
  const bytes = toBinary(ModelProtoSchema, create(ModelProtoSchema, { ...modelHeader(graph), graph: proto }));
  await writeFile(path(`${name}.onnx`), bytes, { flush: true });
  return { graph: { bytes: bytes.length, sha256: createHash("sha256").update(bytes).digest("hex") }, shards };
}

function description(initializer: Initializer): { name: string; dims: bigint[]; dataType: number } {
  return {
    name: initializer.name,
    dims: initializer.shape.map(BigInt),
    dataType: ELEMENT[initializer.type].code,
  };
}

function externalTensor(initializer: Initializer, location: string, offset: number, length: number): TensorProto {
  const entries = { location, offset: String(offset), length: String(length) };
  return create(TensorProtoSchema, {
    ...description(initializer),
    dataLocation: TensorProto_DataLocation.EXTERNAL,
    externalData: Object.entries(entries).map(([key, value]) => create(StringStringEntryProtoSchema, { key, value })),
  });
}

async function loadChecked(initializer: Initializer, where: string): Promise<Uint8Array> {
  const raw = await initializer.load();
  if (raw.length === rawBytes(initializer)) return raw;
  throw new ShapeError({
    code: "wrong_shape",
    what: `${raw.length} bytes do not fill ${initializer.type} [${initializer.shape.join(", ")}]`,
    where: `${where}, initializer "${initializer.name}"`,
  });
}
