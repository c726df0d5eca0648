// The weights of a checkpoint for graphs to hold, read when their turn comes to be written.

import { ArtifactError } from "../../../shared/errors.ts";
import type { TensorReader } from "../../store/safetensors.ts";
import type { WeightSource } from "./layers.ts";

/**
 * Reads through to the file, and throws ArtifactError for a value that is not finite. The last tensor is kept, since an int8 weight and
 * its scales ask for it in turn.
 */
export function weightSource(reader: TensorReader): WeightSource {
  let last: { name: string; values: Float32Array<ArrayBuffer> } | undefined;
  return {
    shape(name) {
      const [rows, columns] = reader.info(name).shape;
      if (rows === undefined || columns === undefined) throw new RangeError(`${name} is not a matrix`);
      return [rows, columns];
    },
    async read(name) {
      if (last?.name !== name) last = { name, values: await readFinite(reader, name) };
      return last.values;
    },
  };
}

async function readFinite(reader: TensorReader, name: string): Promise<Float32Array<ArrayBuffer>> {
  const values = await reader.readFloat32(name);
  const bad = values.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) {
    const fix = "The training diverged or the file is damaged; use an earlier checkpoint.";
    const what = `value ${bad} is ${values[bad]}`;
    throw new ArtifactError({ code: "not_finite", what, where: `tensor "${name}"`, fix });
  }
  return values;
}
