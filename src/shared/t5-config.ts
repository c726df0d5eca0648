// The part of a Hugging Face T5 config.json that the architecture depends on, parsed once and named in camelCase.

import { z } from "zod";
import { ArtifactError } from "./errors.ts";

/** Shape letters: D dModel, H numHeads, K dKv, F dFf, V vocabSize. */
export interface T5Config {
  vocabSize: number;
  dModel: number;
  dKv: number;
  dFf: number;
  numLayers: number;
  numDecoderLayers: number;
  numHeads: number;
  relativeAttentionNumBuckets: number;
  relativeAttentionMaxDistance: number;
  layerNormEpsilon: number;
  /** true: wi_0 and wi_1 with the tanh form of GELU on the first (T5 v1.1, FLAN); false: one wi with ReLU (T5 v1.0). */
  gatedGelu: boolean;
  /** true: the head is the embedding and decoder outputs are scaled by dModel ** -0.5. */
  tieWordEmbeddings: boolean;
  decoderStartTokenId: number;
  padTokenId: number;
  eosTokenId: number;
}

const count = z.number().int().positive();
const rawConfig = z.object({
  model_type: z.string().optional(),
  architectures: z.array(z.string()).optional(),
  vocab_size: count,
  d_model: count,
  d_kv: count,
  d_ff: count,
  num_layers: count,
  num_decoder_layers: count.nullish(),
  num_heads: count,
  relative_attention_num_buckets: count.default(32),
  relative_attention_max_distance: count.default(128),
  layer_norm_epsilon: z.number().positive().default(1e-6),
  feed_forward_proj: z.string().default("relu"),
  tie_word_embeddings: z.boolean().default(true),
  decoder_start_token_id: z.number().int().nonnegative().default(0),
  pad_token_id: z.number().int().nonnegative().default(0),
  eos_token_id: z.number().int().nonnegative().default(1),
});

/** Parses config.json. Throws ArtifactError naming the field, or the variant if it is not a T5 that is supported. */
export function parseT5Config(json: unknown, where = "config.json"): T5Config {
  const modelType = typeof json === "object" && json !== null && "model_type" in json ? json.model_type : undefined;
  // mT5 is T5 v1.1 to the letter; uMT5 has a bias table in every layer
  if (modelType !== undefined && modelType !== "t5" && modelType !== "mt5") {
    throw new ArtifactError({
      code: "unsupported_model",
      what: `model_type "${String(modelType)}" is not supported`,
      where,
      fix: 'Use a T5, T5 v1.1, FLAN-T5 or mT5 model (model_type "t5" or "mt5").',
    });
  }
  const parsed = rawConfig.safeParse(json);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new ArtifactError({
      code: "bad_config",
      what: `field "${issue?.path.join(".") ?? ""}": ${issue?.message ?? "invalid"}`,
      where,
      fix: "Use the config.json of a Hugging Face T5 model.",
    });
  }
  const raw = parsed.data;
  if (raw.feed_forward_proj !== "relu" && raw.feed_forward_proj !== "gated-gelu") {
    throw new ArtifactError({
      code: "unsupported_variant",
      what: `feed_forward_proj "${raw.feed_forward_proj}" is not supported`,
      where,
      fix: 'Supported are "relu" (T5 v1.0) and "gated-gelu" (T5 v1.1, FLAN-T5).',
    });
  }
  return {
    vocabSize: raw.vocab_size,
    dModel: raw.d_model,
    dKv: raw.d_kv,
    dFf: raw.d_ff,
    numLayers: raw.num_layers,
    numDecoderLayers: raw.num_decoder_layers ?? raw.num_layers,
    numHeads: raw.num_heads,
    relativeAttentionNumBuckets: raw.relative_attention_num_buckets,
    relativeAttentionMaxDistance: raw.relative_attention_max_distance,
    layerNormEpsilon: raw.layer_norm_epsilon,
    gatedGelu: raw.feed_forward_proj === "gated-gelu",
    tieWordEmbeddings: raw.tie_word_embeddings,
    decoderStartTokenId: raw.decoder_start_token_id,
    padTokenId: raw.pad_token_id,
    eosTokenId: raw.eos_token_id,
  };
}
