// Weights for the decoding graphs, in the layout of the checkpoint ([out, in]): from a model folder, or from parameters in memory.

import { ArtifactError } from "../../../shared/errors.ts";
import type { T5Config } from "../../../shared/t5-config.ts";
import { HEAD, type Parameters, parameterSpecs } from "../../model/parameters.ts";
import { loadConfig } from "../../store/model-folder.ts";
import { headTensor, openT5Tensors } from "../../store/t5-tensors.ts";
import { type Tensor2D, tf } from "../../tensorflow/tensorflow.ts";
import type { WeightSource } from "../weights/layers.ts";

/** A model or adapter folder in Hugging Face layout, or a model in memory (an adapter merged), whose tensors stay the caller's. */
export type GeneratorSource = string | { config: T5Config; parameters: Parameters };

export interface OpenWeights {
  config: T5Config;
  /** Name of the output projection `[V, D]`. */
  head: string;
  weights: WeightSource;
  close(): Promise<void>;
}

/** Opens the weights of a source. Throws ArtifactError or ShapeError for a folder that is not a T5. The caller closes. */
export async function openWeights(source: GeneratorSource): Promise<OpenWeights> {
  return typeof source === "string" ? fromFolder(source) : fromMemory(source.config, source.parameters);
}

function checkFinite(values: Float32Array<ArrayBuffer>, where: string): Float32Array<ArrayBuffer> {
  const bad = values.findIndex((value) => !Number.isFinite(value));
  if (bad < 0) return values;
  const fix = "The training diverged or the file is damaged; use an earlier checkpoint.";
  throw new ArtifactError({ code: "not_finite", what: `value ${bad} is ${values[bad]}`, where, fix });
}

function matrixShape(name: string, shape: readonly number[] | undefined): readonly [number, number] {
  const [rows, columns] = shape ?? [];
  if (rows === undefined || columns === undefined) throw new RangeError(`${name} is not a matrix`);
  return [rows, columns];
}

async function fromFolder(dir: string): Promise<OpenWeights> {
  const config = await loadConfig(dir);
  const reader = await openT5Tensors(dir, config);
  return {
    config,
    head: reader.head,
    weights: {
      shape: (name) => matrixShape(name, reader.info(name).shape),
      read: async (name) => checkFinite(await reader.readFloat32(name), `${dir}, tensor "${name}"`),
    },
    close: () => reader.close(),
  };
}

function fromMemory(config: T5Config, parameters: Parameters): OpenWeights {
  const specs = new Map(parameterSpecs(config, HEAD in parameters).map((spec) => [spec.name, spec]));
  return {
    config,
    head: headTensor(config, { names: Object.keys(parameters) }),
    weights: {
      shape: (name) => matrixShape(name, specs.get(name)?.shape),
      async read(name) {
        const tensor = parameters[name];
        if (tensor === undefined) throw new Error(`no parameter ${name}`);
        const inFile = specs.get(name)?.transposed ? tf.transpose(tensor as Tensor2D) : tensor; // only matrices are transposed
        const values = await inFile.data<"float32">();
        if (inFile !== tensor) inFile.dispose();
        return checkFinite(new Float32Array(values), `tensor "${name}"`);
      },
    },
    close: async () => {},
  };
}
