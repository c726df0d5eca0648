// npm run pretrain: makes the small base model from nothing.

import { Command } from "commander";
import { vocabularyWords } from "../src/train/data/arithmetic/wording.ts";
import { initModel } from "../src/train/pretrain/init-model.ts";
import { nanoTokenizer } from "../src/train/pretrain/nano-tokenizer.ts";
import { pretrain } from "../src/train/recipes/pretrain.ts";
import { describeBackend, startTensorflow } from "../src/train/tensorflow.ts";

const program = new Command("npm run pretrain --")
  .description("Pretrains the small base model (solve and judge word problems) from random weights.")
  .option("--output <dir>", "where checkpoints and the model go", "outputs/pretrain")
  .option("--steps <n>", "training steps", Number, 5000)
  .option("--batch-size <n>", "solve examples a step", Number, 64)
  .option("--judge-batch-size <n>", "judge examples a step", Number, 32)
  .option("--check-batch-size <n>", "examples a step of a single step's arithmetic", Number, 48)
  .option("--short-share <x>", "share of the problems that have 2 or 3 steps, the rest 2 to 6", Number, 0.6)
  .option("--learning-rate <x>", "peak learning rate", Number, 1e-3)
  .option("--warmup-steps <n>", "steps of warm-up", Number, 200)
  .option("--decay-steps <n>", "last steps, over which the rate falls to zero", Number, 1000)
  .option("--save-steps <n>", "steps between checkpoints (a multiple of 25)", Number, 250)
  .option("--seed <n>", "seed", Number, 42)
  .option("--backend <name>", "auto, tensorflow or wasm", "auto")
  .option("--resume", "continue from the newest checkpoint", false);
program.parse();
const options = program.opts();

console.log(describeBackend(await startTensorflow(options.backend)));
const modelDir = `${options.output}/initial`;
const { tokenizerJson, tokenizerConfig, size } = nanoTokenizer(vocabularyWords());
const config = {
  architectures: ["T5ForConditionalGeneration"],
  model_type: "t5",
  is_encoder_decoder: true,
  vocab_size: Math.ceil(size / 32) * 32,
  d_model: 128,
  d_kv: 32,
  d_ff: 256,
  num_layers: 4,
  num_decoder_layers: 4,
  num_heads: 4,
  relative_attention_num_buckets: 32,
  relative_attention_max_distance: 128,
  dropout_rate: 0,
  layer_norm_epsilon: 1e-6,
  feed_forward_proj: "gated-gelu",
  dense_act_fn: "gelu_new",
  is_gated_act: true,
  tie_word_embeddings: false,
  decoder_start_token_id: 0,
  pad_token_id: 0,
  eos_token_id: 1,
  use_cache: true,
};
if (!options.resume) await initModel({ dir: modelDir, config, tokenizerJson, tokenizerConfig, seed: options.seed });
await pretrain({ ...options, modelDir, outputDir: options.output } as Parameters<typeof pretrain>[0]);
process.exit(0);
