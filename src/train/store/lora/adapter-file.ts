// adapter_model.safetensors in peft's layout: `base_model.model.<projection>.lora_A.weight` [r, in] and `...lora_B.weight` [out, r].
// The header also carries the hash of the base weights, which peft ignores.

import { join } from "node:path";
import { ArtifactError } from "../../../shared/errors.ts";
import type { T5Config } from "../../../shared/t5-config.ts";
import { openSafetensors, type TensorReader } from "../../io/safetensors/reader.ts";
import { loraA, loraB } from "../../model/parameters.ts";
import { ADAPTER_WEIGHTS_FILE, type AdapterConfig, readAdapterConfig } from "../adapter-config.ts";
import { type Projection, projections } from "./projections.ts";

/** What peft puts before the name of a parameter of the model. */
export const PEFT_PREFIX = "base_model.model.";
/** Key in the header. */
export const BASE_HASH = "base_sha256";

/** An adapter on disk whose tensors fit its base; the caller closes it. */
export interface AdapterReader {
  config: AdapterConfig;
  projections: Projection[];
  /** sha256 of the base weights, where the file says it. */
  baseHash: string | undefined;
  /** As in the file: a [r, in], b [out, r], row-major. */
  read(projection: string): Promise<{ a: Float32Array<ArrayBuffer>; b: Float32Array<ArrayBuffer> }>;
  close(): Promise<void>;
}

/** Opens the adapter of a folder. Throws ArtifactError when it is damaged, or was made for a model of another shape. */
export async function openAdapter(dir: string, base: T5Config): Promise<AdapterReader> {
  const config = await readAdapterConfig(dir);
  const reader = await openSafetensors(join(dir, ADAPTER_WEIGHTS_FILE));
  try {
    const found = checkTensors(reader, config, base, dir);
    return {
      config,
      projections: found,
      baseHash: reader.metadata?.[BASE_HASH],
      read: async (projection) => ({
        a: await reader.readFloat32(PEFT_PREFIX + loraA(projection)),
        b: await reader.readFloat32(PEFT_PREFIX + loraB(projection)),
      }),
      close: () => reader.close(),
    };
  } catch (error) {
    await reader.close();
    throw error;
  }
}

/** The adapted projections; every tensor must belong to one of them and have its shape. */
function checkTensors(reader: TensorReader, { rank }: AdapterConfig, base: T5Config, dir: string): Projection[] {
  const where = join(dir, ADAPTER_WEIGHTS_FILE);
  const left = new Set(reader.names);
  const found = projections(base).filter(({ name, inputs, outputs }) => {
    const [a, b] = [PEFT_PREFIX + loraA(name), PEFT_PREFIX + loraB(name)];
    if (!left.has(a) && !left.has(b)) return false;
    checkShape(reader, a, [rank, inputs], where);
    checkShape(reader, b, [outputs, rank], where);
    return left.delete(a) && left.delete(b);
  });
  const [unknown] = left;
  if (unknown !== undefined) throw otherBase(`its tensor "${unknown}" has no place in this T5`, where);
  if (found.length === 0)
    throw new ArtifactError({
      code: "empty_adapter",
      what: "the adapter has no tensors",
      where,
      fix: "Train it again.",
    });
  return found;
}

function checkShape(reader: TensorReader, name: string, expected: readonly number[], where: string): void {
  if (!reader.names.includes(name))
    throw new ArtifactError({ code: "missing_tensor", what: `no tensor "${name}"`, where, fix: "Train it again." });
  const { shape } = reader.info(name);
  if (shape.join() === expected.join()) return;
  throw otherBase(`its tensor "${name}" is [${shape.join(", ")}], this model needs [${expected.join(", ")}]`, where);
}

/** Throws ArtifactError where the adapter's file says that it was made for other weights than those found under it. */
export function checkBaseHash(
  expected: string | undefined,
  found: string,
  { baseDir, adapterDir }: { baseDir: string; adapterDir: string },
): void {
  if (expected === undefined || found === expected) return;
  const what = `the weights in ${baseDir} have hash ${found.slice(0, 12)}…, not ${expected.slice(0, 12)}…`;
  throw otherBase(what, adapterDir);
}

/** The error for an adapter that does not belong to the model under it. */
function otherBase(why: string, where: string): ArtifactError {
  return new ArtifactError({
    code: "adapter_mismatch",
    what: `the adapter was made for another base model: ${why}`,
    where,
    fix: "Name its own base model in adapter_config.json (base_model_name_or_path).",
  });
}
