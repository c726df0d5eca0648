// transformers.js as an outside judge: it must load the folder unchanged and write what PyTorch writes.

import { existsSync } from "node:fs";
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { env, pipeline } from "@huggingface/transformers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openOnnxT5 } from "../../../../src/train/onnx/decode/onnx-t5.ts";
import { exportOnnx } from "../../../../src/train/onnx/export/export-onnx.ts";
import { readSideFiles } from "../../../../src/train/onnx/export/side-files.ts";
import { GOLDEN_MODELS, loadGolden } from "./goldens.ts";
import { makeModelFolder, removeFolders } from "./model-folder.ts";
import { wordsOf } from "./word-tokenizer.ts";

beforeAll(() => {
  env.allowRemoteModels = false;
});

/** Texts that transformers.js generates greedily. */
async function generate(
  dir: string,
  dtype: "fp32" | "q8" | "q4",
  prompts: string[],
  tokens: number,
): Promise<string[]> {
  const generator = await pipeline("text2text-generation", dir, { dtype, local_files_only: true });
  try {
    const results = await generator(prompts, { max_new_tokens: tokens });
    return results.flat().map((result) => result.generated_text);
  } finally {
    await generator.dispose();
  }
}

// transformers.js has no uMT5
describe.each(GOLDEN_MODELS.filter((name) => name !== "umt5"))("%s", (name) => {
  const golden = loadGolden(name);
  let dir = "";
  beforeAll(async () => {
    dir = await makeModelFolder(name);
    await exportOnnx({ modelDir: dir });
  });
  afterAll(() => removeFolders([dir]));

  test("transformers.js writes PyTorch's greedy text from the fp32 files, prompts of two lengths in one batch", async () => {
    const texts = await generate(dir, "fp32", golden.prompts.map(wordsOf), 16);
    expect(texts).toEqual(golden.greedy.map(wordsOf));
  });

  test("transformers.js loads the int8 files", async () => {
    const texts = await generate(dir, "q8", golden.prompts.slice(0, 1).map(wordsOf), 4);
    expect(texts[0]).toMatch(/^w\d+/);
  });
});

const shipped = new URL("../../../../data/models/stepwise-t5-nano", import.meta.url).pathname;

describe.skipIf(!existsSync(join(shipped, "model.safetensors")))("the shipped base model", () => {
  let dir = "";
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), "nano-"));
    for (const file of ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]) {
      await cp(join(shipped, file), join(dir, file));
    }
    await exportOnnx({ modelDir: dir, dtypes: ["fp32", "q4"] });
  });
  afterAll(() => rm(dir, { recursive: true, force: true }));

  test.each(["fp32", "q4"] as const)(
    "transformers.js generates the text of the %s graphs driven by hand",
    async (dtype) => {
      const prompt = "Tom has 3 apples and buys 4 more. How many apples has he?";
      const { tokenizer, config } = await readSideFiles(dir);
      const model = await openOnnxT5(dir, dtype);
      const encoded = await model.encode([tokenizer.encode(prompt)]);
      const ids = [config.decoderStartTokenId];
      let cache: Parameters<typeof model.decode>[2];
      while (ids.length <= 24 && ids.at(-1) !== config.eosTokenId) {
        const step = await model.decode(encoded, [ids.slice(-1)], cache);
        cache = step.cache;
        ids.push(step.logits.data.indexOf(step.logits.data.reduce((max, x) => Math.max(max, x), -Infinity)));
      }
      await model.dispose();
      const [text = ""] = await generate(dir, dtype, [prompt], 24);
      expect(text.replaceAll(/\s+/g, " ").trim()).toBe(tokenizer.decode(ids).replaceAll(/\s+/g, " ").trim());
    },
  );
});
