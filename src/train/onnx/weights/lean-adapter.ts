// A low-rank adapter beside its base in the worker's own graphs: y = W x + adapter_scale * s B A x, so that one set of weights is the base
// model at scale 0 (the reward model) and the adapted one at scale 1 (the policy).

import type { T5Config } from "../../../shared/t5-config.ts";
import { adapterScale, isAdapterFolder } from "../../store/adapter-config.ts";
import { openAdapter } from "../../store/lora/adapter-file.ts";
import { baseFolder } from "../../store/model-files.ts";
import { openModelTensors, type TensorReader } from "../../store/safetensors.ts";
import type { Initializer } from "../graph/graph-builder.ts";
import { bytesOf, transposeFloats } from "../graph/tensor-bytes.ts";

export interface LeanAdapter {
  /** A `[in, r]` and s B `[r, out]` for a weight that the adapter is on. */
  matrices(weight: string): { a: Initializer<"float32">; b: Initializer<"float32"> } | undefined;
}

/** The base weights and the adapter of an adapter folder; the caller closes it. */
export interface AdapterSource {
  base: TensorReader;
  adapter: LeanAdapter;
  close(): Promise<void>;
}

/** Opens base and adapter of `modelDir`, or gives undefined for a folder with weights of its own. Throws as `openAdapter`. */
export async function openAdapterSource(modelDir: string, config: T5Config): Promise<AdapterSource | undefined> {
  if (!isAdapterFolder(modelDir)) return undefined;
  const base = await openModelTensors(await baseFolder(modelDir));
  try {
    const file = await openAdapter(modelDir, config);
    const { rank } = file.config;
    const scale = adapterScale(file.config);
    const projections = new Map(file.projections.map((projection) => [`${projection.name}.weight`, projection]));
    const matrices: LeanAdapter["matrices"] = (weight) => {
      const projection = projections.get(weight);
      if (projection === undefined) return undefined;
      const { name, inputs, outputs } = projection;
      const loadA = async () => bytesOf(transposeFloats((await file.read(name)).a, rank, inputs));
      const loadB = async () => {
        const b = transposeFloats((await file.read(name)).b, outputs, rank);
        return bytesOf(b.map((value) => value * scale));
      };
      return {
        a: { name: `${name}.lora_A`, type: "float32", shape: [inputs, rank], load: loadA },
        b: { name: `${name}.lora_B`, type: "float32", shape: [rank, outputs], load: loadB },
      };
    };
    const close = async (): Promise<void> => {
      await file.close();
      await base.close();
    };
    return { base, adapter: { matrices }, close };
  } catch (error) {
    await base.close();
    throw error;
  }
}
