// Model folders: what loads, what a saved one holds, and what each broken one is told: what, where, how to mend it.

import { cp, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { StepwiseError } from "../../../src/shared/errors.ts";
import { loadConfig } from "../../../src/train/store/model-config.ts";
import { loadModel, loadTokenizer, saveModel } from "../../../src/train/store/model-folder.ts";
import { openModelTensors, openSafetensors, writeSafetensors } from "../../../src/train/store/safetensors.ts";
import { startTensorflow, tf } from "../../../src/train/tensorflow/tensorflow.ts";
import { goldenDir } from "../checks/parity/models.ts";
import { writeTinyFolder } from "../recipes/pretrain/tiny-folder.ts";

let root = "";
let whole = "";
beforeAll(async () => {
  await startTensorflow();
  root = await mkdtemp(join(tmpdir(), "folder-"));
  whole = join(root, "whole");
  await writeTinyFolder(whole);
});
afterAll(() => rm(root, { recursive: true, force: true }));

let count = 0;
async function copyOfWhole(): Promise<string> {
  const dir = join(root, `copy-${count++}`);
  await cp(whole, dir, { recursive: true });
  return dir;
}

async function editJson(path: string, changes: Record<string, unknown>): Promise<void> {
  await writeFile(path, JSON.stringify({ ...JSON.parse(await readFile(path, "utf8")), ...changes }));
}

interface Tensor {
  name: string;
  shape: number[];
  data: Float32Array;
}

async function editTensors(dir: string, edit: (tensors: Tensor[]) => Tensor[]): Promise<void> {
  const reader = await openModelTensors(dir);
  const tensors: Tensor[] = [];
  for (const name of reader.names)
    tensors.push({ name, shape: [...reader.info(name).shape], data: await reader.readFloat32(name) });
  await reader.close();
  await writeSafetensors(join(dir, "model.safetensors"), edit(tensors));
}

const load = async (dir: string): Promise<void> => {
  const model = await loadModel(dir);
  tf.dispose(model.parameters);
  await loadTokenizer(dir, model.config);
};

const NORM = "encoder.final_layer_norm.weight";

/** What is done to a whole folder, and the code, the words and the place of the error that follows. */
const BROKEN: [name: string, breakIt: (dir: string) => Promise<void>, code: string, what: RegExp, where: string][] = [
  [
    "without config.json",
    (dir) => rm(join(dir, "config.json")),
    "missing_file",
    /config\.json cannot be read/,
    "config.json",
  ],
  [
    "whose config.json is not JSON",
    (dir) => writeFile(join(dir, "config.json"), "{"),
    "bad_json",
    /not JSON/,
    "config.json",
  ],
  [
    "with d_model missing",
    (dir) => editJson(join(dir, "config.json"), { d_model: undefined }),
    "bad_config",
    /field "d_model"/,
    "config.json",
  ],
  [
    "with a d_kv of -8",
    (dir) => editJson(join(dir, "config.json"), { d_kv: -8 }),
    "bad_config",
    /field "d_kv"/,
    "config.json",
  ],
  [
    "of longt5",
    (dir) => editJson(join(dir, "config.json"), { model_type: "longt5" }),
    "unsupported_model",
    /"longt5" is not supported/,
    "config.json",
  ],
  [
    "with a gated ReLU",
    (dir) => editJson(join(dir, "config.json"), { feed_forward_proj: "gated-relu" }),
    "unsupported_variant",
    /"gated-relu" is not supported/,
    "config.json",
  ],
  [
    "without tokenizer.json",
    (dir) => rm(join(dir, "tokenizer.json")),
    "missing_file",
    /tokenizer\.json cannot be read/,
    "tokenizer.json",
  ],
  [
    "without tokenizer_config.json, and with a tokenizer.json that puts no end token after a text",
    async (dir) => {
      await rm(join(dir, "tokenizer_config.json"));
      await editJson(join(dir, "tokenizer.json"), { post_processor: null });
    },
    "missing_file",
    /tokenizer_config\.json cannot be read/,
    "tokenizer_config.json",
  ],
  [
    "whose tokenizer is a list",
    (dir) => writeFile(join(dir, "tokenizer.json"), "[]"),
    "bad_tokenizer",
    /no added_tokens/,
    "tokenizer.json",
  ],
  [
    "without weights",
    (dir) => rm(join(dir, "model.safetensors")),
    "missing_file",
    /the weights cannot be opened/,
    "model.safetensors",
  ],
  [
    "with the weights of pytorch_model.bin alone",
    (dir) => rename(join(dir, "model.safetensors"), join(dir, "pytorch_model.bin")),
    "pickled_weights",
    /only there as pytorch_model\.bin, which holds Python objects/,
    "",
  ],
  [
    "with a tensor missing",
    (dir) => editTensors(dir, (tensors) => tensors.filter(({ name }) => name !== NORM)),
    "missing_tensor",
    new RegExp(`^1 tensors are missing: ${NORM}$`),
    "",
  ],
  [
    "with an adapter's tensor",
    (dir) =>
      editTensors(dir, (tensors) => [...tensors, { name: "lora_A.weight", shape: [1], data: new Float32Array(1) }]),
    "unexpected_tensor",
    /^1 tensors do not belong to this T5: lora_A\.weight$/,
    "",
  ],
  [
    "with a tensor of a wrong shape",
    (dir) =>
      editTensors(dir, (tensors) =>
        tensors.map((tensor) =>
          tensor.name === NORM ? { name: NORM, shape: [31], data: new Float32Array(31) } : tensor,
        ),
      ),
    "wrong_shape",
    /^shape \[31\] instead of \[32\]$/,
    `, tensor "${NORM}"`,
  ],
  [
    "with more layers in the config than in the weights",
    (dir) => editJson(join(dir, "config.json"), { num_layers: 2 }),
    "missing_tensor",
    /encoder\.block\.1/,
    "",
  ],
];

describe("a model folder is refused", () => {
  test.each(BROKEN)("%s", async (_, ...[breakIt, code, what, where]) => {
    const dir = await copyOfWhole();
    await breakIt(dir);
    const before = tf.memory().numTensors;
    const error = await load(dir).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(StepwiseError);
    if (!(error instanceof StepwiseError)) return;
    expect(error.code).toBe(code);
    expect(error.what).toMatch(what);
    expect(error.where).toContain(where.startsWith(",") ? dir + where : join(dir, where));
    expect(error.fix).toMatch(/\w/);
    expect(tf.memory().numTensors).toBe(before);
  });

  test("whose tokenizer has more ids than the embedding has rows", async () => {
    const config = { ...(await loadConfig(whole)), vocabSize: 100 };
    await expect(loadTokenizer(whole, config)).rejects.toThrow(
      /the tokenizer has \d+ ids, the model's embedding 100 rows \(.*tokenizer\.json\)\. Use the tokenizer/,
    );
  });
});

describe("a saved model", () => {
  test("has the weights bit for bit, and the config and tokenizer of the folder it came from", async () => {
    const model = await loadModel(whole);
    const dir = join(root, "saved");
    await saveModel(dir, model, model.parameters);
    expect((await readdir(dir)).sort()).toEqual((await readdir(whole)).sort());
    const again = await loadModel(dir);
    for (const [name, tensor] of Object.entries(model.parameters))
      expect(again.parameters[name]?.dataSync()).toEqual(tensor.dataSync());
    expect(again.config).toEqual(model.config);
    const text = "3 + 4 = 7\nTom has 7";
    const tokenizer = await loadTokenizer(dir, again.config);
    expect(tokenizer.encode(text)).toEqual((await loadTokenizer(whole, model.config)).encode(text));
  });

  test("is loaded with a head of its own, a shared one, or a tied one, as its weights and config say", async () => {
    const hasHead = async (dir: string): Promise<boolean> => "lm_head.weight" in (await loadModel(dir)).parameters;
    expect(await hasHead(goldenDir("t5-v1.1"))).toBe(true);
    expect(await hasHead(goldenDir("t5-v1.1-shared-head"))).toBe(false);
    expect(await hasHead(goldenDir("t5-v1.0"))).toBe(false);
  });

  test("may repeat the embedding under its other names, and a tied head", async () => {
    const dir = await copyOfWhole();
    await editTensors(dir, (tensors) => {
      const shared = tensors.find(({ name }) => name === "shared.weight");
      if (shared === undefined) throw new Error("no embedding");
      const aliases = ["encoder.embed_tokens.weight", "decoder.embed_tokens.weight"].map((name) => ({
        ...shared,
        name,
      }));
      return [...tensors, ...aliases];
    });
    await load(dir);
    await editJson(join(dir, "config.json"), { tie_word_embeddings: true });
    await load(dir);
  });

  test.each(["encoder.embed_tokens.weight", "decoder.embed_tokens.weight"])(
    "has its embedding where the file has it only as %s",
    async (alias) => {
      const dir = await copyOfWhole();
      await editTensors(dir, (tensors) =>
        tensors.map((tensor) => (tensor.name === "shared.weight" ? { ...tensor, name: alias } : tensor)),
      );
      const reader = await openSafetensors(join(dir, "model.safetensors"));
      expect(reader.names).not.toContain("shared.weight");
      await reader.close();
      const [renamed, plain] = [await loadModel(dir), await loadModel(whole)];
      expect(renamed.parameters["shared.weight"]?.dataSync()).toEqual(plain.parameters["shared.weight"]?.dataSync());
      tf.dispose([renamed.parameters, plain.parameters]);
    },
  );

  test("of the first T5 has a bias table that none reads: it is named in the log and left out", async () => {
    const dir = await copyOfWhole();
    const name = "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight";
    await editTensors(dir, (tensors) => [...tensors, { name, shape: [32, 2], data: new Float32Array(64) }]);
    const lines: string[] = [];
    const model = await loadModel(dir, (line) => lines.push(line));
    expect(lines).toEqual([`${dir}: ignored ${name} (no T5 reads it)`]);
    expect(model.parameters).not.toHaveProperty([name]);
    tf.dispose(model.parameters);
  });

  test("needs no tokenizer_config.json where tokenizer.json says enough; a saved one has it", async () => {
    const dir = await copyOfWhole();
    await rm(join(dir, "tokenizer_config.json"));
    const model = await loadModel(dir);
    const [bare, plain] = [await loadTokenizer(dir, model.config), await loadTokenizer(whole, model.config)];
    expect(bare.encode("Tom has\n3")).toEqual(plain.encode("Tom has\n3"));
    const saved = join(root, "saved-bare");
    await saveModel(saved, model, model.parameters);
    expect(JSON.parse(await readFile(join(saved, "tokenizer_config.json"), "utf8"))).toMatchObject({
      eos_token: "</s>",
    });
    tf.dispose(model.parameters);
  });
});
