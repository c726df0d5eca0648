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
  /** true: every layer has a table of relative positions of its own (uMT5); false: the first layer's serves the stack. */
  ownBiasTables: boolean;
  layerNormEpsilon: number;
  /** true: wi_0 and wi_1 with the tanh form of GELU on the first (T5 v1.1, FLAN); false: one wi with ReLU (T5 v1.0). */
  gatedGelu: boolean;
  /** true: the head is the embedding and decoder outputs are scaled by dModel ** -0.5. */
  tieWordEmbeddings: boolean;
  decoderStartTokenId: number;
  padTokenId: number;
  eosTokenId: number;
}

/**
 * mT5 is T5 v1.1 to the letter; uMT5 differs by its bias tables. A config leaves out what is usual for its type (transformers 4.57,
 * configuration_t5.py, configuration_mt5.py, configuration_umt5.py).
 */
const MODEL_TYPES = ["t5", "mt5", "umt5"] as const;
const USUAL = {
  t5: { feedForward: "relu", tied: true },
  mt5: { feedForward: "gated-gelu", tied: false },
  umt5: { feedForward: "gated-gelu", tied: true },
} as const;

const count = z.number().int().positive();
const rawConfig = z.object({
  model_type: z.enum(MODEL_TYPES).default("t5"),
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
  feed_forward_proj: z.string().optional(),
  tie_word_embeddings: z.boolean().optional(),
  decoder_start_token_id: z.number().int().nonnegative().default(0),
  pad_token_id: z.number().int().nonnegative().default(0),
  eos_token_id: z.number().int().nonnegative().default(1),
});

/** Parses config.json. Throws ArtifactError naming the field, or the variant if it is not a T5 that is supported. */
export function parseT5Config(json: unknown, where = "config.json"): T5Config {
  const modelType = typeof json === "object" && json !== null && "model_type" in json ? json.model_type : undefined;
  if (modelType !== undefined && !MODEL_TYPES.some((known) => known === modelType)) {
    throw new ArtifactError({
      code: "unsupported_model",
      what: `model_type "${String(modelType)}" is not supported`,
      where,
      fix: 'Use a T5, T5 v1.1, FLAN-T5, mT5 or uMT5 model (model_type "t5", "mt5" or "umt5").',
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
  const usual = USUAL[raw.model_type];
  const feedForward = raw.feed_forward_proj ?? usual.feedForward;
  if (feedForward !== "relu" && feedForward !== "gated-gelu") {
    throw new ArtifactError({
      code: "unsupported_variant",
      what: `feed_forward_proj "${feedForward}" is not supported`,
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
    ownBiasTables: raw.model_type === "umt5",
    gatedGelu: feedForward === "gated-gelu",
    tieWordEmbeddings: raw.tie_word_embeddings ?? usual.tied,
    decoderStartTokenId: raw.decoder_start_token_id,
    padTokenId: raw.pad_token_id,
    eosTokenId: raw.eos_token_id,
  };
}
