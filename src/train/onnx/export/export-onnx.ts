// A model folder in, an exported folder out: graphs, what must lie beside them, and the manifest last, so that
// a folder with a manifest is whole.

import { existsSync } from "node:fs";
import { lstat, mkdir, readFile, rm } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import writeFileAtomic from "write-file-atomic";
import { isLean, LEAN_VERSION, MANIFEST_FILE, type Manifest } from "../../../shared/manifest.ts";
import { DEFAULT_DTYPES, type Dtype } from "../../../shared/onnx-names.ts";
import { TEMPLATE_VERSION } from "../../../shared/prompts.ts";
import { writeJson } from "../../io/write-text.ts";
import { isAdapterFolder, readAdapterConfig } from "../../store/adapter-config.ts";
import { baseFolder } from "../../store/model-files.ts";
import { readRewardModelFile } from "../../store/reward-model-file.ts";
import { exportGraphs } from "./export-graphs.ts";
import { readSideFiles, type SideFile } from "./side-files.ts";

export interface ExportOptions {
  /** Folder in Hugging Face layout, with its tokenizer. */
  modelDir: string;
  /** Where the export goes; the model folder itself by default, whose own files are kept. */
  outputDir?: string | undefined;
  /** fp32 and int8 by default. */
  dtypes?: readonly Dtype[] | undefined;
  /** The worker's own form; by default beside int8. */
  lean?: boolean | undefined;
  /** Up to how many parameters that form is not rounded; 2^22 by default. */
  exactParameters?: number | undefined;
  /** Name in the manifest; the model folder's by default. */
  name?: string | undefined;
  /** Limits that the worker enforces, in tokens; T5 itself has none, 512 is what it was trained on. */
  maxSourceTokens?: number | undefined;
  maxTargetTokens?: number | undefined;
  onProgress?: ((doneBytes: number, totalBytes: number) => void) | undefined;
  /** Lines for the user. */
  log?: ((line: string) => void) | undefined;
}

/**
 * Exports a T5 to ONNX and returns its manifest. Throws ArtifactError or ShapeError for a folder that is not a whole T5
 * (weights, config and tokenizer are checked before anything is written), CapacityError for a graph above 2 GiB.
 */
export async function exportOnnx(options: ExportOptions): Promise<Manifest> {
  const { modelDir, outputDir = modelDir, dtypes = DEFAULT_DTYPES, onProgress, log } = options;
  const { tokenizer, files } = await readSideFiles(modelDir);
  const reward = await readRewardModelFile(modelDir);
  const { lean, exactParameters } = options;
  const graphs = await exportGraphs({ modelDir, outputDir, dtypes, lean, exactParameters, onProgress, log });
  await mkdir(outputDir, { recursive: true });
  for (const file of files) await writeSideFile(outputDir, file);
  const manifest: Manifest = {
    format: 1,
    model: options.name ?? basename(resolve(modelDir)),
    created: new Date().toISOString(),
    template_version: TEMPLATE_VERSION,
    judge: { yes_token_id: tokenizer.yesTokenId, no_token_id: tokenizer.noTokenId },
    ...(reward !== undefined && { reward: { type: reward.type } }),
    ...(graphs.some(isLean) && isAdapterFolder(modelDir) && { adapter: { base: await baseName(modelDir) } }),
    ...(graphs.some(isLean) && { rows: { version: LEAN_VERSION } }),
    limits: { max_source_tokens: options.maxSourceTokens ?? 512, max_target_tokens: options.maxTargetTokens ?? 512 },
    files: [...files.map((file) => file.entry), ...graphs],
  };
  await writeJson(join(outputDir, MANIFEST_FILE), manifest);
  return manifest;
}

async function baseName(adapterDir: string): Promise<string> {
  const { base } = await readAdapterConfig(adapterDir);
  // a Hub id as it is, of a folder the last part of its name
  return base === undefined || existsSync(base) ? basename(resolve(await baseFolder(adapterDir))) : base;
}

/** Does not touch a file that already says the same, as all do when the export goes into the model's own folder. */
async function writeSideFile(outputDir: string, { content, entry }: SideFile): Promise<void> {
  const path = join(outputDir, entry.path);
  const present = await readFile(path).catch(() => undefined);
  if (present?.equals(content) === true) return;
  // in a folder of links, such as the Hub cache, the link is replaced, never the file that it names
  if ((await lstat(path).catch(() => undefined))?.isSymbolicLink()) await rm(path);
  await writeFileAtomic(path, content);
}
