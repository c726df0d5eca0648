// A probe through the exported files: do they load, are their numbers finite, do the others point where fp32 points,
// and does a step through the cache say what one pass says.

import { ArtifactError } from "../../../shared/errors.ts";
import type { Dtype } from "../../../shared/onnx-names.ts";
import type { T5Config } from "../../../shared/t5-config.ts";
import { type FloatTensor, openOnnxT5 } from "../../onnx/decode/onnx-t5.ts";
import { cosine } from "../parity/check.ts";

export interface ExportCheck {
  /** Worst difference of a logit between one pass and steps through the cache, of fp32 (of the first form where there is no fp32). */
  cacheError: number;
  /** Cosine of each other form's logits to those of fp32; none where fp32 was not exported. */
  cosines: { dtype: Dtype; cosine: number }[];
}

const STEPS = 4;
/** Differences of summation order stay far below it on logits of any size seen; a wrong cache does not. */
const MAX_RELATIVE_CACHE_ERROR = 1e-3;

/**
 * Runs `prompts` (token ids) through every dtype. Throws ArtifactError when a graph does not load, gives numbers that are
 * not finite, or has a cache that changes its fp32 logits.
 */
export async function checkExport(
  modelDir: string,
  config: T5Config,
  prompts: readonly (readonly number[])[],
  dtypes: readonly Dtype[],
): Promise<ExportCheck> {
  const probes = new Map<Dtype, { logits: FloatTensor; cacheError: number }>();
  for (const dtype of dtypes) probes.set(dtype, await probe(modelDir, config, prompts, dtype));
  const exact = probes.get("fp32");
  const [first] = probes.values();
  const others = exact === undefined ? [] : [...probes].filter(([dtype]) => dtype !== "fp32");
  return {
    cacheError: (exact ?? first)?.cacheError ?? 0,
    cosines: others.map(([dtype, { logits }]) => ({
      dtype,
      cosine: cosine(logits.data, exact?.logits.data ?? new Float32Array()),
    })),
  };
}

async function probe(
  modelDir: string,
  config: T5Config,
  prompts: readonly (readonly number[])[],
  dtype: Dtype,
): Promise<{ logits: FloatTensor; cacheError: number }> {
  const model = await openOnnxT5(modelDir, dtype, config.padTokenId);
  try {
    const encoded = await model.encode(prompts);
    // the prompt's own ids serve as a continuation
    const rows = prompts.map((ids) => [config.decoderStartTokenId, ...firstIds(ids, STEPS - 1)]);
    const { logits } = await model.decode(encoded, rows);
    const bad = logits.data.findIndex((value) => !Number.isFinite(value));
    if (bad >= 0) {
      const what = `logit ${bad} of the ${dtype} export is ${logits.data[bad]}`;
      throw new ArtifactError({ code: "not_finite", what, where: modelDir, fix: "Check the weights for overflow." });
    }
    let cacheError = 0;
    let cache: Awaited<ReturnType<typeof model.decode>>["cache"] | undefined;
    for (let t = 0; t < STEPS; t++) {
      const step = await model.decode(
        encoded,
        rows.map((row) => row.slice(t, t + 1)),
        cache,
      );
      cache = step.cache;
      for (let b = 0; b < rows.length; b++) {
        const [one, whole] = [position(step.logits, b, 0), position(logits, b, t)];
        one.forEach((value, v) => {
          cacheError = Math.max(cacheError, Math.abs(value - (whole[v] ?? NaN)));
        });
      }
    }
    const largest = logits.data.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
    if (dtype === "fp32" && cacheError > MAX_RELATIVE_CACHE_ERROR * Math.max(largest, 1)) {
      const what = `steps through the cache differ from one pass by ${cacheError} in a logit`;
      throw new ArtifactError({ code: "bad_cache", what, where: modelDir, fix: "Export the model again." });
    }
    return { logits, cacheError };
  } finally {
    await model.dispose();
  }
}

/** `count` ids, repeated from the front where there are fewer. */
function firstIds(ids: readonly number[], count: number): number[] {
  return Array.from({ length: count }, (_, i) => ids[i % ids.length] ?? 0);
}

/** Logits of row `b` at position `t`. */
function position({ data, dims }: FloatTensor, b: number, t: number): Float32Array {
  const [, length = 0, vocab = 0] = dims;
  return data.subarray((b * length + t) * vocab, (b * length + t + 1) * vocab);
}
