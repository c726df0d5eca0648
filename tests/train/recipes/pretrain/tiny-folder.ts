// Model folders small enough to train in a test: T5 v1.1, one layer a side, random weights, the nano tokenizer.

import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { vocabularyWords } from "../../../../src/train/data/arithmetic/wording.ts";
import { initModel } from "../../../../src/train/recipes/pretrain/init-model.ts";
import { nanoTokenizer } from "../../../../src/train/recipes/pretrain/nano-tokenizer.ts";
import {
  type FolderTokenizer,
  loadModel,
  loadTokenizer,
  type Model,
} from "../../../../src/train/store/model-folder.ts";
import { startTensorflow } from "../../../../src/train/tensorflow/tensorflow.ts";

const WORDS = ["Tom", "has", "buys", "more", "apples", "How", "many", "+", "-", "=", "?"];

/** d_model 32; it knows a few words. */
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

/** Starts TensorFlow and loads a tiny folder made for it, which the caller deletes. */
export async function openTinyModel(): Promise<{ dir: string; model: Model; tokenizer: FolderTokenizer }> {
  await startTensorflow();
  const dir = await mkdtemp(join(tmpdir(), "tiny-model-"));
  await writeTinyFolder(dir);
  const model = await loadModel(dir);
  return { dir, model, tokenizer: await loadTokenizer(dir, model.config) };
}

/** d_model 16; it knows the words of the generated problems. */
export async function writeTinySolver(dir: string): Promise<void> {
  const { size, ...tokenizer } = nanoTokenizer(vocabularyWords());
  const config = {
    model_type: "t5",
    vocab_size: size,
    d_model: 16,
    d_kv: 8,
    d_ff: 16,
    num_layers: 1,
    num_heads: 2,
    feed_forward_proj: "gated-gelu",
    tie_word_embeddings: false,
  };
  await initModel({ dir, config, ...tokenizer, seed: 3 });
}
