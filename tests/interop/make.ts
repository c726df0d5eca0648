// Makes a folder for check.py: a small T5 with a stock config, tuned whole and by an adapter, with characters added to its vocabulary,
// exported, and what the trainer computes of each: ids, text and log-probs. Usage: npx tsx tests/interop/make.ts DIR

import { existsSync } from "node:fs";
import { cp, mkdir, readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { padRows } from "../../src/train/model/batch.ts";
import { completionLogps } from "../../src/train/model/logps.ts";
import { exportOnnx } from "../../src/train/onnx/export/export-onnx.ts";
import { resolveTrainConfig, type TrainSettings } from "../../src/train/recipes/dpo/config.ts";
import { trainStepwiseDpo } from "../../src/train/recipes/dpo/recipe.ts";
import { initModel } from "../../src/train/recipes/pretrain/init-model.ts";
import { mergeAdapter } from "../../src/train/store/adapter-folder.ts";
import { loadModel, loadTokenizer } from "../../src/train/store/model-folder.ts";
import { startTensorflow, tf } from "../../src/train/tensorflow/tensorflow.ts";

const TOKENIZER = resolve(import.meta.dirname, "../../../shared/tokenizers/flan-t5");
const TEXTS = ["a\nb", "3 < 4\n{x} \\frac{1}{2}", "3 <4", "<<48/2=24>>24 clips", "Tom has 3 apples.\nA: 7"];
const PAIR = { prompt: "Is 3 < 4?", completion: "3 < 4\n<<3+4=7>>7\nA: 7" };

const dir = process.argv[2];
if (dir === undefined || !existsSync(join(TOKENIZER, "tokenizer.json"))) {
  console.error("usage: npx tsx tests/interop/make.ts DIR; it needs a stock tokenizer in ../shared/tokenizers/flan-t5");
  process.exit(1);
}

/** A config as Hugging Face writes them: floats that are whole numbers stay floats. */
const STOCK = (await readFile(join(TOKENIZER, "config.json"), "utf8")).replace(
  /"(d_ff|d_kv|d_model|num_decoder_layers|num_heads|num_layers)": \d+/g,
  (_, name: string) => {
    const sizes: Record<string, number> = {
      d_ff: 64,
      d_kv: 8,
      d_model: 32,
      num_decoder_layers: 2,
      num_heads: 4,
      num_layers: 2,
    };
    return `"${name}": ${sizes[name]}`;
  },
);

await startTensorflow("wasm");
const model = join(dir, "model");
await mkdir(model, { recursive: true });
const json = async (name: string): Promise<object> => JSON.parse(await readFile(join(TOKENIZER, name), "utf8"));
await initModel({
  dir: model,
  config: JSON.parse(STOCK),
  tokenizerJson: await json("tokenizer.json"),
  tokenizerConfig: await json("tokenizer_config.json"),
  seed: 1,
});
await writeFile(join(model, "config.json"), STOCK);
for (const file of ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "generation_config.json"])
  await cp(join(TOKENIZER, file), join(model, file));
const rows = Array.from({ length: 4 }, (_, i) => ({
  prompt: `Is ${i} < ${i + 1}?`,
  chosen: `${i} < ${i + 1}\n<<${i}+1=${i + 1}>>${i + 1}\n{x} \\frac{1}{2}`,
  rejected: `${i} > ${i + 1}\n${i}`,
  chosen_score: 1,
  rejected_score: 0,
}));
await writeFile(join(dir, "pairs.jsonl"), rows.map((row) => `${JSON.stringify(row)}\n`).join(""));

const expected: Record<string, object> = {};
async function run(name: string, settings: TrainSettings): Promise<void> {
  const outputDir = join(dir ?? "", name);
  const config = resolveTrainConfig(undefined, {
    model,
    data: join(dir ?? "", "pairs.jsonl"),
    outputDir,
    backend: "wasm",
    maxSteps: 2,
    saveSteps: 1,
    learningRate: 1e-2,
    samplePrompts: 0,
    ...settings,
  });
  await trainStepwiseDpo(config, { overwrite: true, exportOnnx: false, log: console.error });
  if (settings.adapter === "lora") await mergeAdapter(outputDir, join(dir ?? "", `${name}-merged`));
  await exportOnnx({ modelDir: outputDir, outputDir: join(dir ?? "", `${name}-onnx`), dtypes: ["fp32"] });
  const tuned = await loadModel(outputDir);
  const tokenizer = await loadTokenizer(outputDir, tuned.config);
  const [inputIds, labels] = [tokenizer.encode(PAIR.prompt), tokenizer.encode(PAIR.completion)];
  const { sequenceLogps } = completionLogps(tuned.parameters, tuned.config, {
    prompts: padRows([inputIds], tuned.config.padTokenId),
    labels: [labels],
  });
  expected[name] = {
    texts: TEXTS.map((text) => ({
      text,
      ids: tokenizer.encode(text),
      decoded: tokenizer.decode(tokenizer.encode(text)),
    })),
    pair: { inputIds, labels, logp: sequenceLogps.dataSync<"float32">()[0] },
  };
  tf.dispose([tuned.parameters, sequenceLogps]);
}
await run("tuned", {});
await run("tokens", { addTokens: "auto" });
await run("grown", { addTokens: Array.from({ length: 40 }, (_, i) => String.fromCodePoint(0x2200 + i)).join("") });
await run("adapter", { adapter: "lora" });
await run("adapter-tokens", { adapter: "lora", model: join(dir ?? "", "tokens") });
await writeFile(join(dir, "expected.json"), `${JSON.stringify(expected, null, 2)}\n`);
process.exit();
