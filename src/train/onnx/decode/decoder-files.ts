// Graphs of a model as files in a temporary folder, so that several processes can load them: the three that decoding runs on, and others.

import { readdir, rm } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import type { T5Config } from "../../../shared/t5-config.ts";
import { makeTemporaryFolder } from "../../io/temporary-folder.ts";
import { loadConfig } from "../../store/model-config.ts";
import { openT5Tensors } from "../../store/t5-tensors.ts";
import { type Graph, GraphBuilder, type Value } from "../graph/graph-builder.ts";
import { writeModel } from "../graph/model-file.ts";
import { createOps } from "../graph/ops.ts";
import { buildCrossGraph, buildStepGraph } from "../t5/decoder-graphs.ts";
import type { T5Context } from "../t5/t5-blocks.ts";
import { buildEncoderGraph } from "../t5/t5-encoder-graph.ts";
import { createFloatLayers } from "../weights/float-layers.ts";
import { weightSource } from "../weights/weight-source.ts";
import { DECODER_FILES } from "./decoder-sessions.ts";

/** What a folder's name begins with, before the number of its process: of this machine, as containers may share a temporary folder. */
const PREFIX = `stepwise-decoder-${hostname()}-`;

/** Deletes what processes left that were killed, with no time to do so themselves. */
export async function removeLeftFolders(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const pid = name.startsWith(PREFIX) ? /^(\d+)-/.exec(name.slice(PREFIX.length))?.[1] : undefined;
    if (pid !== undefined && !isAlive(Number(pid))) await rm(join(tmpdir(), name), { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return !(error instanceof Error && "code" in error && error.code === "ESRCH");
  }
}

export interface DecoderFiles {
  dir: string;
  config: T5Config;
  /** Deletes the folder. */
  remove(): Promise<void>;
}

/** Builds a graph of a T5; `head` names its output projection. */
type BuildGraph = (t5: T5Context<Value<"float32">>, head: string) => Graph;

/** Writes the graphs that decoding runs on. Throws as writeGraphFiles. */
export function writeDecoderFiles(modelDir: string): Promise<DecoderFiles> {
  return writeGraphFiles(modelDir, {
    [DECODER_FILES.encoder]: buildEncoderGraph,
    [DECODER_FILES.cross]: buildCrossGraph,
    [DECODER_FILES.step]: buildStepGraph,
  });
}

/**
 * Writes graphs of a model or adapter folder in float32, by file. Throws ArtifactError or ShapeError for a folder that is not a T5,
 * CapacityError for a graph above 2 GiB.
 */
export async function writeGraphFiles(
  modelDir: string,
  graphs: Readonly<Record<string, BuildGraph>>,
): Promise<DecoderFiles> {
  const config = await loadConfig(modelDir);
  const reader = await openT5Tensors(modelDir, config);
  const weights = weightSource(reader);
  await removeLeftFolders();
  // a command that ends early must not leave a model in the temporary folder
  const { dir, remove } = await makeTemporaryFolder(`${PREFIX}${process.pid}-`);
  try {
    for (const [file, build] of Object.entries(graphs)) {
      const graph = new GraphBuilder(file);
      const context = { config, graph, ops: createOps(graph), weights, layers: createFloatLayers(graph, weights) };
      await writeModel(join(dir, file), build(context, reader.head));
    }
    return { dir, config, remove };
  } catch (error) {
    await remove();
    throw error;
  } finally {
    await reader.close();
  }
}
