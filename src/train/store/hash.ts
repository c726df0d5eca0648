// What tells two models apart: caches of their scores and log-probs are keyed by it, reports name it. And what an adapter knows its base by.

import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { basename } from "node:path";
import { pipeline } from "node:stream/promises";
import { adapterScale, isAdapterFolder, readAdapterConfig } from "./adapter-config.ts";
import { baseFolder, modelFile, weightFiles } from "./model-files.ts";

/**
 * sha256 over everything that changes a number that a model computes: config, tokenizer, weights, and the strength of each adapter among
 * them. An adapter's other settings (the path of its base, dropout) do not count.
 */
export async function hashModel(dir: string): Promise<string> {
  const hash = createHash("sha256");
  const texts = [await modelFile(dir, "config.json"), await modelFile(dir, "tokenizer.json")];
  for (const file of [...texts, ...(await weightFiles(dir))]) {
    hash.update(`\0${basename(file)}\0`);
    await pipeline(createReadStream(file), hash, { end: false });
  }
  for (let folder = dir; isAdapterFolder(folder); folder = await baseFolder(folder))
    hash.update(`\0scale ${adapterScale(await readAdapterConfig(folder))}\0`);
  return hash.digest("hex");
}

/** sha256 of only the weight files, one after the other: an adapter's file carries that of its base. */
export async function hashWeights(dir: string): Promise<string> {
  const hash = createHash("sha256");
  for (const file of await weightFiles(dir)) await pipeline(createReadStream(file), hash, { end: false });
  return hash.digest("hex");
}
