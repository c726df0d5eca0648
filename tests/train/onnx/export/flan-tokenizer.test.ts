// The tokenizer of google/flan-t5-small on a model of its vocabulary, where a copy lies beside the repository.

import { existsSync } from "node:fs";
import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AutoTokenizer, env, pipeline } from "@huggingface/transformers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseT5Config } from "../../../../src/shared/t5-config.ts";
import { parameterSpecs } from "../../../../src/train/model/parameters.ts";
import { exportOnnx } from "../../../../src/train/onnx/export/export-onnx.ts";
import { readSideFiles } from "../../../../src/train/onnx/export/side-files.ts";
import { writeSafetensors } from "../../../../src/train/store/safetensors.ts";

const tokenizerDir = new URL("../../../../../shared/tokenizers/flan-t5", import.meta.url).pathname;
const present = existsSync(join(tokenizerDir, "tokenizer.json"));
if (!present) console.info("skipped: no tokenizer of flan-t5 beside the repository");

describe.skipIf(!present)("with flan-t5's tokenizer", () => {
  let dir = "";
  beforeAll(async () => {
    env.allowRemoteModels = false;
    dir = await mkdtemp(join(tmpdir(), "flan-"));
    const config = { vocab_size: 32128, d_model: 8, d_kv: 4, d_ff: 16, num_layers: 1, num_heads: 2, model_type: "t5" };
    await writeFile(join(dir, "config.json"), JSON.stringify({ ...config, is_encoder_decoder: true }));
    for (const file of ["tokenizer.json", "tokenizer_config.json"]) await cp(join(tokenizerDir, file), join(dir, file));
    const tensors = parameterSpecs(parseT5Config(config), false).map(({ name, shape }) => ({
      name,
      shape,
      data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(i * i + name.length)),
    }));
    await writeSafetensors(join(dir, "model.safetensors"), tensors);
  });
  afterAll(() => rm(dir, { recursive: true, force: true }));

  test("the judge's tokens are its yes and no, lines survive the round trip, and transformers.js generates", async () => {
    const manifest = await exportOnnx({ modelDir: dir });
    // ids from google/flan-t5-small's SentencePiece model: "▁yes" and "▁no"
    expect(manifest.judge).toEqual({ yes_token_id: 4273, no_token_id: 150 });
    const generator = await pipeline("text2text-generation", dir, { dtype: "q8", local_files_only: true });
    // the first row above the 32100 tokens of the stock tokenizer
    const tokenizer = await AutoTokenizer.from_pretrained(dir, { local_files_only: true });
    for (const text of ["a\nb", "3 + 4 = 7\n7 - 2 = 5\n5"]) {
      const { input_ids } = await tokenizer(text);
      expect([...input_ids.data].map(Number)).toContain(32100);
      expect(tokenizer.decode(input_ids, { skip_special_tokens: true })).toBe(text);
      const own = (await readSideFiles(dir)).tokenizer;
      expect(own.encode(text)).toEqual([...input_ids.data].map(Number));
      expect(own.decode(own.encode(text))).toBe(text);
    }
    const results = (await generator("Tom has 3 apples.", { max_new_tokens: 3 })).flat();
    await generator.dispose();
    expect(results[0]).toHaveProperty("generated_text", expect.any(String));
  });
});
