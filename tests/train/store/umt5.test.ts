// uMT5: T5 v1.1 with a table of positions in every layer. Numbers against PyTorch are in checks/parity and onnx/export; here is the judge's
// own pass, and what checkpoints are told that are neither.

import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { judgePrompt } from "../../../src/shared/prompts.ts";
import { parseT5Config } from "../../../src/shared/t5-config.ts";
import { LLMRewardModel } from "../../../src/train/reward/judge/llm-reward-model.ts";
import { loadModel, loadTokenizer, saveModel } from "../../../src/train/store/model-folder.ts";
import { startTensorflow, tf } from "../../../src/train/tensorflow/tensorflow.ts";
import { writeTinyFolder } from "../recipes/pretrain/tiny-folder.ts";
import { scoreByDefinition } from "../reward/judge/score-by-definition.ts";

let root = "";
const layers = { num_layers: 2, num_decoder_layers: 2 };
beforeAll(async () => {
  await startTensorflow();
  root = await mkdtemp(join(tmpdir(), "umt5-"));
  await writeTinyFolder(join(root, "umt5"), { config: { ...layers, model_type: "umt5" } });
  await writeTinyFolder(join(root, "t5"), { config: layers });
});
afterAll(() => rm(root, { recursive: true, force: true }));

async function retype(dir: string, type: string): Promise<void> {
  const path = join(dir, "config.json");
  await writeFile(path, JSON.stringify({ ...JSON.parse(await readFile(path, "utf8")), model_type: type }));
}

test("a saved one has the tables of all layers, and keeps its type", async () => {
  const model = await loadModel(join(root, "umt5"));
  await saveModel(join(root, "saved"), model, model.parameters);
  const again = await loadModel(join(root, "saved"));
  const tables = Object.keys(again.parameters).filter((name) => name.includes("relative_attention_bias"));
  expect(tables).toEqual(
    ["encoder.block.0", "encoder.block.1", "decoder.block.0", "decoder.block.1"].map(
      (block) => `${block}.layer.0.SelfAttention.relative_attention_bias.weight`,
    ),
  );
  expect(JSON.parse(await readFile(join(root, "saved", "config.json"), "utf8"))).toMatchObject({ model_type: "umt5" });
  tf.dispose([model.parameters, again.parameters]);
});

test("the judge's own pass reads each layer's table: its scores are those of the model", async () => {
  const dir = join(root, "umt5");
  const model = await loadModel(dir);
  // far enough from each other to be told apart
  for (const [at, [name, tensor]] of Object.entries(model.parameters).entries()) {
    if (!name.includes("relative_attention_bias")) continue;
    Object.assign(model.parameters, { [name]: tf.mul(tensor, 10 + at) });
  }
  const tokenizer = await loadTokenizer(dir, model.config);
  const [prompt, step] = ["Tom has 3 apples and buys 4 more. How many?", "3 + 4 = 7"];
  const expected = scoreByDefinition(
    model,
    tokenizer,
    tokenizer.encode(judgePrompt(prompt, [{ text: step }], 0, "prefix")),
  );
  const [scored] = new LLMRewardModel(model, tokenizer, {}).score([{ prompt, completion: step }]);
  expect(Math.abs((scored?.stepScores[0] ?? Number.NaN) - expected)).toBeLessThan(1e-5);
});

test.each([
  ["t5", "umt5", "missing_tensor"],
  ["umt5", "mt5", "unexpected_tensor"],
])("weights of a %s under the type %s are refused, with the type as what to mend", async (weights, type, code) => {
  const dir = join(root, `${weights}-as-${type}`);
  await writeTinyFolder(dir, { config: { ...layers, model_type: weights } });
  await retype(dir, type);
  await expect(loadModel(dir)).rejects.toMatchObject({
    code,
    what: expect.stringMatching(/2 tensors .*block\.1\.layer\.0\.SelfAttention\.relative_attention_bias/),
    where: dir,
    fix: expect.stringContaining('"model_type" in config.json'),
  });
});

test("a config that leaves a field out means what is usual for its type", () => {
  const raw = { vocab_size: 96, d_model: 32, d_kv: 8, d_ff: 48, num_layers: 2, num_heads: 2 };
  const read = (type?: string) => {
    const { gatedGelu, tieWordEmbeddings, ownBiasTables } = parseT5Config({ ...raw, model_type: type });
    return { gatedGelu, tieWordEmbeddings, ownBiasTables };
  };
  expect(read()).toEqual({ gatedGelu: false, tieWordEmbeddings: true, ownBiasTables: false });
  expect(read("mt5")).toEqual({ gatedGelu: true, tieWordEmbeddings: false, ownBiasTables: false });
  expect(read("umt5")).toEqual({ gatedGelu: true, tieWordEmbeddings: true, ownBiasTables: true });
});
