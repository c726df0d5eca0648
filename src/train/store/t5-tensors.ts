// Which tensors a T5 of a given config has, by their Hugging Face names, and whether a model folder holds exactly these.

import { ArtifactError, ShapeError } from "../../shared/errors.ts";
import type { T5Config } from "../../shared/t5-config.ts";
import type { TensorReader } from "./safetensors.ts";

export const EMBEDDING = "shared.weight";
const HEAD = "lm_head.weight";

/** Names that T5 files repeat or keep from older code; they are the embedding again, or never read by T5. */
const IGNORED = new Set([
  "encoder.embed_tokens.weight",
  "decoder.embed_tokens.weight",
  HEAD,
  "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight",
]);

const FLOAT_DTYPES = new Set(["F32", "F16", "BF16"]);

/** Every tensor that the model needs, with its shape (linear weights are `[out, in]`), the head excepted. */
export function t5TensorShapes(config: T5Config): Map<string, readonly number[]> {
  const { vocabSize, dModel, dFf, numHeads, relativeAttentionNumBuckets } = config;
  const inner = numHeads * config.dKv;
  const shapes = new Map<string, readonly number[]>([[EMBEDDING, [vocabSize, dModel]]]);
  const attention = (path: string): void => {
    for (const part of ["q", "k", "v"]) shapes.set(`${path}.${part}.weight`, [inner, dModel]);
    shapes.set(`${path}.o.weight`, [dModel, inner]);
  };
  const feedForward = (path: string): void => {
    for (const wi of config.gatedGelu ? ["wi_0", "wi_1"] : ["wi"]) shapes.set(`${path}.${wi}.weight`, [dFf, dModel]);
    shapes.set(`${path}.wo.weight`, [dModel, dFf]);
  };
  for (const [stack, layers] of [
    ["encoder", config.numLayers],
    ["decoder", config.numDecoderLayers],
  ] as const) {
    for (let i = 0; i < layers; i++) {
      const sublayers =
        stack === "encoder" ? ["SelfAttention", "Dense"] : ["SelfAttention", "EncDecAttention", "Dense"];
      for (const [j, kind] of sublayers.entries()) {
        const path = `${stack}.block.${i}.layer.${j}`;
        shapes.set(`${path}.layer_norm.weight`, [dModel]);
        if (kind === "Dense") feedForward(`${path}.DenseReluDense`);
        else attention(`${path}.${kind}`);
      }
    }
    const bias = `${stack}.block.0.layer.0.SelfAttention.relative_attention_bias.weight`;
    shapes.set(bias, [relativeAttentionNumBuckets, numHeads]);
    shapes.set(`${stack}.final_layer_norm.weight`, [dModel]);
  }
  return shapes;
}

/**
 * Name of the tensor `[V, D]` that makes logits: `lm_head.weight` for an untied model that has one, else the embedding
 * (transformers 5 saves untied configs with a tied head and only leaves out the scaling).
 */
export function headTensor(config: T5Config, reader: Pick<TensorReader, "names">): string {
  return !config.tieWordEmbeddings && reader.names.includes(HEAD) ? HEAD : EMBEDDING;
}

/** Throws ArtifactError for a tensor that is missing or unexpected, ShapeError for one whose shape the config denies. */
export function checkT5Tensors(config: T5Config, reader: TensorReader, where: string): void {
  const shapes = t5TensorShapes(config);
  const present = new Set(reader.names);
  const missing = [...shapes.keys()].filter((name) => !present.has(name));
  if (missing.length > 0) {
    throw new ArtifactError({
      code: "missing_tensor",
      what: `${missing.length} tensors are missing: ${preview(missing)}`,
      where,
      fix: "The weights must be of the T5 that config.json describes (num_layers, feed_forward_proj).",
    });
  }
  const unexpected = reader.names.filter((name) => !shapes.has(name) && !IGNORED.has(name));
  if (unexpected.length > 0) {
    throw new ArtifactError({
      code: "unexpected_tensor",
      what: `${unexpected.length} tensors do not belong to this T5: ${preview(unexpected)}`,
      where,
      fix: "Merge adapters into the weights and check config.json (num_layers, feed_forward_proj).",
    });
  }
  shapes.set(headTensor(config, reader), [config.vocabSize, config.dModel]);
  for (const [name, expected] of shapes) {
    const { dtype, shape } = reader.info(name);
    if (!FLOAT_DTYPES.has(dtype)) {
      throw new ArtifactError({
        code: "unsupported_dtype",
        what: `type ${dtype} is not supported`,
        where: `${where}, tensor "${name}"`,
        fix: "Save the weights as float32, float16 or bfloat16.",
      });
    }
    if (shape.join() !== expected.join()) {
      throw new ShapeError({
        code: "wrong_shape",
        what: `shape [${shape.join(", ")}] instead of [${expected.join(", ")}]`,
        where: `${where}, tensor "${name}"`,
        fix: "config.json and weights must come from the same model.",
      });
    }
  }
}

function preview(names: readonly string[]): string {
  return names.slice(0, 3).join(", ") + (names.length > 3 ? ", …" : "");
}
