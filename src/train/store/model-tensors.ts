// The weights of a model folder, also of one that holds only an adapter: then each adapted matrix is read as W + (alpha / r) B A, one at a
// time, so that everything that reads weights (trainer, judge, export) takes an adapter folder as a model.

import type { TensorReader } from "../io/safetensors/reader.ts";
import { openFolderTensors } from "../io/safetensors/shards.ts";
import { EMBEDDING, EMBEDDING_ALIASES } from "../model/parameters.ts";
import { adapterScale, isAdapterFolder } from "./adapter-config.ts";
import { hashWeights } from "./hash.ts";
import { checkBaseHash, openAdapter } from "./lora/adapter-file.ts";
import { loadConfig } from "./model-config.ts";
import { baseFolder } from "./model-files.ts";

/** Opens the weights of a model or adapter folder. Throws ArtifactError when they are missing, damaged or not of one model. */
export async function openModelTensors(dir: string): Promise<TensorReader> {
  return isAdapterFolder(dir) ? openMerged(dir) : withEmbedding(await openFolderTensors(dir));
}

/** A checkpoint that has its embedding only under the name of an encoder's or decoder's table has it under its own as well. */
function withEmbedding(reader: TensorReader): TensorReader {
  const alias = EMBEDDING_ALIASES.find((name) => reader.names.includes(name));
  if (alias === undefined || reader.names.includes(EMBEDDING)) return reader;
  const inFile = (name: string): string => (name === EMBEDDING ? alias : name);
  return {
    ...reader,
    names: [EMBEDDING, ...reader.names],
    info: (name) => reader.info(inFile(name)),
    readFloat32: (name) => reader.readFloat32(inFile(name)),
  };
}

async function openMerged(dir: string): Promise<TensorReader> {
  const baseDir = await baseFolder(dir);
  const adapter = await openAdapter(dir, await loadConfig(baseDir));
  try {
    await checkBase(adapter.baseHash, baseDir, dir);
    const base = await openModelTensors(baseDir);
    const scale = adapterScale(adapter.config);
    const shapes = new Map(adapter.projections.map(({ name, ...shape }) => [`${name}.weight`, { name, ...shape }]));
    return {
      names: base.names,
      info: (name) => base.info(name),
      async readFloat32(name) {
        const weight = await base.readFloat32(name);
        const adapted = shapes.get(name);
        if (adapted === undefined) return weight;
        const { a, b } = await adapter.read(adapted.name);
        return addProduct(weight, { a, b, inputs: adapted.inputs, scale });
      },
      async close() {
        await adapter.close();
        await base.close();
      },
    };
  } catch (error) {
    await adapter.close();
    throw error;
  }
}

/** Throws ArtifactError when the file says that it was made for other weights than those in `baseDir`. */
async function checkBase(baseHash: string | undefined, baseDir: string, adapterDir: string): Promise<void> {
  if (baseHash === undefined) return;
  checkBaseHash(baseHash, await hashWeights(baseDir), { baseDir, adapterDir });
}

/** weight [out, in] += scale b [out, r] a [r, in], in place. */
function addProduct(
  weight: Float32Array<ArrayBuffer>,
  { a, b, inputs, scale }: { a: Float32Array; b: Float32Array; inputs: number; scale: number },
): Float32Array<ArrayBuffer> {
  const rank = a.length / inputs;
  const outputs = weight.length / inputs;
  const row = new Float64Array(inputs);
  for (let o = 0; o < outputs; o++) {
    row.fill(0);
    for (let r = 0; r < rank; r++) {
      const factor = scale * (b[o * rank + r] ?? 0);
      for (let i = 0; i < inputs; i++) row[i] = (row[i] ?? 0) + factor * (a[r * inputs + i] ?? 0);
    }
    for (let i = 0; i < inputs; i++) weight[o * inputs + i] = (weight[o * inputs + i] ?? 0) + (row[i] ?? 0);
  }
  return weight;
}
