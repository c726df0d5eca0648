// A low-rank adapter in memory: two small matrices for every adapted projection, B at zero, so that training starts from the base model.

import { join } from "node:path";
import { createRng, type Rng } from "../../../shared/rng.ts";
import type { T5Config } from "../../../shared/t5-config.ts";
import { writeSafetensors } from "../../io/safetensors/writer.ts";
import { ADAPTER_SCALE, loraA, loraB, type Parameters } from "../../model/parameters.ts";
import { type Tensor, tf } from "../../tensorflow/tensorflow.ts";
import { ADAPTER_WEIGHTS_FILE, type AdapterSettings, adapterScale } from "../adapter-config.ts";
import { BASE_HASH, checkBaseHash, openAdapter, PEFT_PREFIX } from "./adapter-file.ts";
import { targetProjections } from "./projections.ts";

/** An adapter; `parameters` belong to the caller, who disposes them (or hands them to an optimizer). */
export interface Adapter {
  settings: AdapterSettings;
  /** A [in, r] and B [r, out] by the names that loraA and loraB give. */
  parameters: Parameters;
}

/** Where the weights under an adapter lie, and their sha256 by `hashWeights`. */
export interface BaseWeights {
  dir: string;
  hash: string;
}

/** U(-1/sqrt(in), 1/sqrt(in)): Kaiming-uniform with a = sqrt(5), which peft takes for A. */
function kaimingUniform(rng: Rng, inputs: number, rank: number): Float32Array {
  const bound = inputs ** -0.5;
  return Float32Array.from({ length: inputs * rank }, () => bound * (2 * rng.next() - 1));
}

/** A fresh adapter: A random, B zero. Throws InputError for a target that the model does not have. */
export function createAdapter(config: T5Config, settings: AdapterSettings & { seed: number }): Adapter {
  const { rank, alpha, targets, rankStabilized, seed } = settings;
  const rng = createRng(seed);
  const parameters: Record<string, Tensor> = {};
  for (const { name, inputs, outputs } of targetProjections(config, targets)) {
    parameters[loraA(name)] = tf.tensor2d(kaimingUniform(rng, inputs, rank), [inputs, rank]);
    parameters[loraB(name)] = tf.zeros([rank, outputs]);
  }
  return { settings: { rank, alpha, targets, rankStabilized }, parameters };
}

/**
 * The part of an adapted model that never changes: the base weights, and the adapter's scale, whose presence marks them as frozen.
 * With the adapter's parameters beside it, it is the policy; the base weights alone are the reference (scale 0). The caller disposes
 * the scale.
 */
export function frozenParameters(base: Parameters, settings: AdapterSettings): Parameters {
  return { ...base, [ADAPTER_SCALE]: tf.scalar(adapterScale(settings)) };
}

/**
 * Reads an adapter into tensors, to train on or to run beside its base. Throws as `openAdapter`, and ArtifactError where it
 * was made for other weights than those `under` it.
 */
export async function loadAdapter(dir: string, base: T5Config, under?: BaseWeights): Promise<Adapter> {
  const file = await openAdapter(dir, base);
  try {
    if (under !== undefined) checkBaseHash(file.baseHash, under.hash, { baseDir: under.dir, adapterDir: dir });
    const parameters: Record<string, Tensor> = {};
    const { rank, alpha, targets, rankStabilized } = file.config;
    for (const { name, inputs, outputs } of file.projections) {
      const { a, b } = await file.read(name);
      parameters[loraA(name)] = tf.tidy(() => tf.transpose(tf.tensor2d(a, [rank, inputs])));
      parameters[loraB(name)] = tf.tidy(() => tf.transpose(tf.tensor2d(b, [outputs, rank])));
    }
    return { settings: { rank, alpha, targets, rankStabilized }, parameters };
  } finally {
    await file.close();
  }
}

/** Writes the matrices of an adapter; `baseHash` is that of the weights under it. */
export async function saveAdapterFile(dir: string, parameters: Parameters, baseHash: string): Promise<void> {
  const tensors = Object.entries(parameters).map(([name, tensor]) => ({
    name: PEFT_PREFIX + name,
    shape: [...tensor.shape].reverse(),
    data: async (): Promise<Float32Array> => {
      const inFile = tf.transpose(tensor);
      const values = await inFile.data<"float32">();
      inFile.dispose();
      return values;
    },
  }));
  await writeSafetensors(join(dir, ADAPTER_WEIGHTS_FILE), tensors, { format: "pt", [BASE_HASH]: baseHash });
}
