// A model folder small enough to train in a test: T5 v1.1, d_model 32, one layer a side, random weights, the nano tokenizer.

import { initModel } from "../../../../src/train/recipes/pretrain/init-model.ts";
import { nanoTokenizer } from "../../../../src/train/recipes/pretrain/nano-tokenizer.ts";

export const WORDS = ["Tom", "has", "buys", "more", "apples", "How", "many", "+", "-", "=", "?"];

export async function writeTinyFolder(
  dir: string,
  changes: { seed?: number; config?: Record<string, unknown> } = {},
): Promise<void> {
  const { tokenizerJson, tokenizerConfig, size } = nanoTokenizer(WORDS);
  const config = {
    architectures: ["T5ForConditionalGeneration"],
    model_type: "t5",
    is_encoder_decoder: true,
    vocab_size: Math.ceil(size / 32) * 32,
    d_model: 32,
    d_kv: 8,
    d_ff: 48,
    num_layers: 1,
    num_decoder_layers: 1,
    num_heads: 2,
    feed_forward_proj: "gated-gelu",
    tie_word_embeddings: false,
    decoder_start_token_id: 0,
    pad_token_id: 0,
    eos_token_id: 1,
    ...changes.config,
  };
  await initModel({ dir, config, tokenizerJson, tokenizerConfig, seed: changes.seed ?? 1 });
}
