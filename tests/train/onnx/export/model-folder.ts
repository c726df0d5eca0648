// A model folder for a test: golden weights with a word tokenizer beside them, each test changing what it is about.

import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openSafetensors, type TensorToWrite, writeSafetensors } from "../../../../src/train/store/safetensors.ts";
import { goldenDir } from "./goldens.ts";
import { WORD_TOKENIZER_CONFIG, wordTokenizerJson } from "./word-tokenizer.ts";

/** Token count of the golden models. */
const VOCAB_SIZE: Record<string, number> = { "t5-v1.1": 96, "t5-v1.1-shared-head": 96, "t5-v1.0": 80, umt5: 96 };

/** Copies a golden model with its tokenizer into a new temporary folder; the caller removes it. */
export async function makeModelFolder(golden: string): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "model-"));
  await cp(join(goldenDir(golden), "config.json"), join(dir, "config.json"));
  await cp(join(goldenDir(golden), "model.safetensors"), join(dir, "model.safetensors"));
  await writeFile(join(dir, "tokenizer.json"), JSON.stringify(wordTokenizerJson(VOCAB_SIZE[golden] ?? 0)));
  await writeFile(join(dir, "tokenizer_config.json"), JSON.stringify(WORD_TOKENIZER_CONFIG));
  return dir;
}

/** Rewrites the folder's weights after `change`. */
export async function changeWeights(dir: string, change: (tensors: TensorToWrite[]) => TensorToWrite[]): Promise<void> {
  const path = join(dir, "model.safetensors");
  const reader = await openSafetensors(path);
  const tensors: TensorToWrite[] = [];
  for (const name of reader.names) {
    tensors.push({ name, shape: reader.info(name).shape, data: await reader.readFloat32(name) });
  }
  await reader.close();
  await writeSafetensors(path, change(tensors));
}

/** Removes folders made here. */
export async function removeFolders(dirs: readonly string[]): Promise<void> {
  for (const dir of dirs) await rm(dir, { recursive: true, force: true });
}
