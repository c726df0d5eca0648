// A real model small enough for any test: the golden T5's random weights with a tokenizer of letters, exported to a folder.

import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { withNewlineToken } from "../../src/shared/newline-token.ts";
import { PROCESS_REWARD_MODEL, REWARD_MODEL_FILE } from "../../src/shared/process-reward.ts";
import { exportOnnx } from "../../src/train/onnx/export/export-onnx.ts";
import { specials, t5TokenizerJson } from "../t5-tokenizer.ts";

export type TinyWeights = "t5-v1.1" | "t5-v1.0" | "umt5";

const GOLDEN = fileURLToPath(new URL("../golden/", import.meta.url));
const VOCAB_SIZE = 96;
const LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHINOQRSTW0123456789.,?:=+-*/";
const WORDS = ["▁yes", "▁no", "▁the", "▁is", "▁step", "▁correct", "▁next", "▁apples"];

function tinyTokenizer(): unknown {
  const tokens = specials("<pad>", "</s>", "<unk>");
  // words score above the sum of their letters
  const pieces = [...tokens.map(({ content }) => content), "▁", ...LETTERS, ...WORDS].map(
    (piece, id): [string, number] => [piece, id < tokens.length ? 0 : -3],
  );
  const tokenizer = t5TokenizerJson(pieces, tokens);
  return withNewlineToken(tokenizer, VOCAB_SIZE);
}

/** Exports a tiny model, as a process reward model where asked, to a fresh folder; `remove` deletes it. */
export async function exportTinyModel(
  weights: TinyWeights = "t5-v1.1",
  options: { maxSourceTokens?: number; maxTargetTokens?: number; processReward?: boolean; lean?: boolean } = {},
): Promise<{ dir: string; remove: () => Promise<void> }> {
  const dir = await mkdtemp(join(tmpdir(), "stepwise-tiny-"));
  for (const name of ["config.json", "model.safetensors"]) await cp(join(GOLDEN, weights, name), join(dir, name));
  await writeFile(join(dir, "tokenizer.json"), JSON.stringify(tinyTokenizer()));
  const tokenizerConfig = { tokenizer_class: "T5Tokenizer", eos_token: "</s>", pad_token: "<pad>", unk_token: "<unk>" };
  await writeFile(join(dir, "tokenizer_config.json"), JSON.stringify(tokenizerConfig));
  // without the worker's own form unless asked: then the worker runs the graphs of transformers.js, as with an older export
  const { processReward = false, lean = false, ...limits } = options;
  if (processReward) await writeFile(join(dir, REWARD_MODEL_FILE), JSON.stringify(PROCESS_REWARD_MODEL));
  await exportOnnx({ modelDir: dir, name: `tiny-${weights}`, lean, ...limits });
  return { dir, remove: () => rm(dir, { recursive: true, force: true }) };
}
