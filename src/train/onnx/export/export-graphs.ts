// From a model folder's weights to .onnx files: check all first, write under temporary names, then rename.

import { mkdir, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { MANIFEST_FILE, type ManifestFile } from "../../../shared/manifest.ts";
import { DTYPES, type Dtype, onnxFile } from "../../../shared/onnx-names.ts";
import type { T5Config } from "../../../shared/t5-config.ts";
import { HEAD, parameterSpecs } from "../../model/parameters.ts";
import { loadConfig } from "../../store/model-config.ts";
import { openT5Tensors, type T5Tensors } from "../../store/t5-tensors.ts";
import { type Graph, GraphBuilder } from "../graph/graph-builder.ts";
import { rawBytes, writeModel } from "../graph/model-file.ts";
import { createOps } from "../graph/ops.ts";
import { buildDecoderGraph } from "../t5/t5-decoder-graph.ts";
import { buildEncoderGraph } from "../t5/t5-encoder-graph.ts";
import { createFloatLayers } from "../weights/float-layers.ts";
import { createInt8Layers } from "../weights/int8-layers.ts";
import { exactMatrices, floatMatrices } from "../weights/int8-plan.ts";
import type { Layers } from "../weights/layers.ts";
import { openAdapterSource } from "../weights/lean-adapter.ts";
import { createQ4Layers } from "../weights/q4-layers.ts";
import { weightSource } from "../weights/weight-source.ts";
import { exportLean, removeLean } from "./export-lean.ts";

export interface ExportGraphsOptions {
  /** Folder in Hugging Face layout: config.json, model.safetensors (or shards and their index). */
  modelDir: string;
  /** Files go to its `onnx/`. */
  outputDir: string;
  dtypes: readonly Dtype[];
  /**
   * The worker's own form beside the int8 graphs: less memory, and requests that share the steps of its decoder. By default wherever there
   * are int8 graphs. */
  lean?: boolean | undefined;
  /** Up to how many parameters that form is not rounded; 2^22 by default. */
  exactParameters?: number | undefined;
  /** Bytes of weights written so far, of all that will be written. */
  onProgress?: ((doneBytes: number, totalBytes: number) => void) | undefined;
  /** Lines for the user. */
  log?: ((line: string) => void) | undefined;
}

/** One .onnx file to come. */
interface Plan {
  role: "encoder" | "decoder";
  dtype: Dtype;
  path: string;
  graph: Graph;
}

/**
 * Writes encoder and decoder in every dtype and returns their manifest entries. All are written before any takes its name;
 * then graphs of other dtypes and the manifest of an earlier export are removed from the folder.
 * Throws ArtifactError or ShapeError for a model that is not the T5 its config describes, before anything is written.
 */
export async function exportGraphs(options: ExportGraphsOptions): Promise<ManifestFile[]> {
  const { modelDir, outputDir, dtypes, onProgress } = options;
  const config = await loadConfig(modelDir);
  const reader = await openT5Tensors(modelDir, config, options.log);
  try {
    const plans = dtypes.flatMap((dtype) => planGraphs(config, reader, dtype));
    const files = await writeAll(plans, outputDir, onProgress);
    if (!(options.lean ?? dtypes.includes("int8"))) return files;
    const source = await openAdapterSource(modelDir, config);
    try {
      const weights = weightSource(source?.base ?? reader);
      const plan = int8Plan(config, reader);
      const floats = new Set([...plan.floats, ...exactMatrices(plan.shapes, options.exactParameters)]);
      const lean = { config, weights, adapter: source?.adapter, head: plan.head, floats };
      return files.concat(await exportLean(lean, outputDir));
    } finally {
      await source?.close();
    }
  } finally {
    await reader.close();
  }
}

function planGraphs(config: T5Config, reader: T5Tensors, dtype: Dtype): Plan[] {
  const weights = weightSource(reader);
  const { head, floats } = int8Plan(config, reader);
  const rounded = dtype === "q4" ? createQ4Layers : createInt8Layers;
  const plan = (role: Plan["role"]): Plan => {
    const graph = new GraphBuilder(role);
    const context = { config, graph, ops: createOps(graph), weights };
    const build = <A>(layers: Layers<A>): Graph =>
      role === "encoder" ? buildEncoderGraph({ ...context, layers }) : buildDecoderGraph({ ...context, layers }, head);
    return {
      role,
      dtype,
      path: onnxFile(role === "encoder" ? "encoder_model" : "decoder_model_merged", dtype),
      graph: dtype === "fp32" ? build(createFloatLayers(graph, weights)) : build(rounded(graph, weights, floats)),
    };
  };
  return [plan("encoder"), plan("decoder")];
}

/** Name of the output projection, all shapes, and the matrices that int8 and q4 leave float32. */
function int8Plan(config: T5Config, { head }: T5Tensors) {
  const shapes = new Map(parameterSpecs(config, head === HEAD).map(({ name, shape }) => [name, shape]));
  return { head, shapes, floats: floatMatrices(head, shapes) };
}

async function writeAll(
  plans: readonly Plan[],
  outputDir: string,
  onProgress: ExportGraphsOptions["onProgress"],
): Promise<ManifestFile[]> {
  const totalBytes = plans.reduce((sum, { graph }) => sum + graph.initializers.reduce((s, w) => s + rawBytes(w), 0), 0);
  let doneBytes = 0;
  const temporary = (plan: Plan): string => `${join(outputDir, plan.path)}.${process.pid}.tmp`;
  const files: ManifestFile[] = [];
  try {
    for (const plan of plans) {
      await mkdir(dirname(temporary(plan)), { recursive: true });
      const written = await writeModel(temporary(plan), plan.graph, (bytes) => {
        doneBytes += bytes;
        onProgress?.(doneBytes, totalBytes);
      });
      files.push({ path: plan.path, role: plan.role, dtype: plan.dtype, ...written });
    }
    await removeEarlierExport(outputDir, plans);
    for (const plan of plans) await rename(temporary(plan), join(outputDir, plan.path));
    return files;
  } catch (error) {
    for (const plan of plans) await rm(temporary(plan), { force: true });
    throw error;
  }
}

/** An earlier manifest no longer holds, and graphs of other dtypes would be of other weights: neither may stay. */
async function removeEarlierExport(outputDir: string, plans: readonly Plan[]): Promise<void> {
  await rm(join(outputDir, MANIFEST_FILE), { force: true });
  await removeLean(outputDir);
  const kept = new Set(plans.map((plan) => plan.path));
  for (const dtype of DTYPES) {
    for (const graph of ["encoder_model", "decoder_model_merged"] as const) {
      const path = onnxFile(graph, dtype);
      if (!kept.has(path)) await rm(join(outputDir, path), { force: true });
    }
  }
}
