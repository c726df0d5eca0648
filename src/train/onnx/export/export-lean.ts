// The worker's own low-memory form of a model, int8: three graphs with sharded weights, and the embedding (t5/lean-blocks.ts).

import { mkdir, readdir, rename, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import type { ManifestFile } from "../../../shared/manifest.ts";
import { LEAN, type LeanGraph, leanFile } from "../../../shared/onnx-names.ts";
import type { T5Config } from "../../../shared/t5-config.ts";
import { EMBEDDING } from "../../model/parameters.ts";
import { type Graph, GraphBuilder } from "../graph/graph-builder.ts";
import { createOps } from "../graph/ops.ts";
import { createRuntimeOps } from "../graph/runtime-ops.ts";
import { writeShardedModel } from "../graph/sharded-model.ts";
import { buildLeanDecoder } from "../t5/lean-decoder-graph.ts";
import { buildLeanEncoder } from "../t5/lean-encoder-graph.ts";
import { buildLeanHead } from "../t5/lean-head-graph.ts";
import type { WeightSource } from "../weights/layers.ts";
import type { LeanAdapter } from "../weights/lean-adapter.ts";
import { writeFloatEmbedding, writeLeanEmbedding } from "../weights/lean-embedding.ts";
import { createLeanLayers } from "../weights/lean-layers.ts";

const FOLDER = "onnx";
const ROLE = { encoder: "lean_encoder", decoder: "lean_decoder", head: "lean_head" } as const;
const DTYPE = "int8";

/** What the lean form is made from; `floats` names the matrices that stay float32, `head` the output projection. */
export interface LeanSource {
  config: T5Config;
  weights: WeightSource;
  head: string;
  floats: ReadonlySet<string>;
  /** Beside the weights of its base; its scale is then an input of encoder and decoder. */
  adapter?: LeanAdapter | undefined;
}

/** Writes the lean files under temporary names, then renames all; returns their manifest entries. */
export async function exportLean(source: LeanSource, outputDir: string): Promise<ManifestFile[]> {
  const folder = join(outputDir, FOLDER);
  const written: string[] = [];
  const temporary = (file: string): string => {
    if (!written.includes(file)) written.push(file);
    return `${join(folder, file)}.${process.pid}.tmp`;
  };
  await mkdir(folder, { recursive: true });
  try {
    const entries: ManifestFile[] = [];
    for (const role of ["encoder", "decoder", "head"] as const) {
      const name = basename(leanFile(role), ".onnx");
      const { graph, shards } = await writeShardedModel({ name, graph: leanGraph(source, role), path: temporary });
      const weights = shards.map((shard) => `${FOLDER}/${shard.name}`);
      entries.push({ path: leanFile(role), role: ROLE[role], dtype: DTYPE, ...graph, weights });
      for (const { name: shard, ...file } of shards) {
        entries.push({ path: `${FOLDER}/${shard}`, role: "lean_weights", dtype: DTYPE, ...file });
      }
    }
    entries.push(...(await embeddingFiles(source, temporary)));
    for (const file of written) await rename(temporary(file), join(folder, file));
    return entries;
  } catch (error) {
    for (const file of written) await rm(temporary(file), { force: true });
    throw error;
  }
}

/** Removes the lean files of an earlier export. */
export async function removeLean(outputDir: string): Promise<void> {
  const files = await readdir(join(outputDir, FOLDER)).catch(() => []);
  for (const file of files) {
    if (/^lean_\w+\.(onnx|bin)$/.test(file)) await rm(join(outputDir, FOLDER, file), { force: true });
  }
}

/**
 * Where one digit an activation would move step scores beyond the error of int8 weights (docs/export.md). At the feed-forward outputs, whose
 * inputs have outliers, in every model; everywhere in a small one, which `floats` tells: with so little rounded, the digits count.
 */
function takesTwoDigits(weight: string, floats: ReadonlySet<string>): boolean {
  return floats.size > 0 || weight.endsWith(".wo.weight");
}

function leanGraph({ config, weights, head, floats, adapter }: LeanSource, role: LeanGraph): Graph {
  const graph = new GraphBuilder(role);
  const scaled = adapter !== undefined && role !== "head";
  const layers = createLeanLayers(graph, weights, {
    floats,
    fine: (weight) => takesTwoDigits(weight, floats),
    adapter: scaled ? { source: adapter, scale: graph.input(LEAN.adapterScale, "float32", []) } : undefined,
  });
  const t5 = { config, graph, ops: createOps(graph), runtime: createRuntimeOps(graph), weights, layers };
  if (role === "head") return buildLeanHead(t5, head);
  return role === "encoder" ? buildLeanEncoder(t5) : buildLeanDecoder(t5);
}

async function embeddingFiles(
  { weights, floats }: LeanSource,
  temporary: (file: string) => string,
): Promise<ManifestFile[]> {
  const [values, scales] = ["lean_embedding.bin", "lean_embedding_scales.bin"] as const;
  const paths = { values: temporary(values), scales: temporary(scales) };
  const table = await weights.read(EMBEDDING);
  const files = floats.has(EMBEDDING)
    ? await writeFloatEmbedding(table, paths)
    : await writeLeanEmbedding(table, weights.shape(EMBEDDING), paths);
  return [
    { path: `${FOLDER}/${values}`, role: "lean_embedding", dtype: DTYPE, ...files.values },
    { path: `${FOLDER}/${scales}`, role: "lean_embedding_scales", dtype: DTYPE, ...files.scales },
  ];
}
