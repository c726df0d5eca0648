// The bytes that Python's transformers and peft depend on, in files that a saved model has (tests/interop opens them in Python).

import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { loadConfig } from "../../../src/train/store/model-config.ts";
import { saveSideFiles } from "../../../src/train/store/model-folder.ts";
import { tokenizerConfigText } from "../../../src/train/store/tokenizer-config.ts";
import { writeTinyFolder } from "../recipes/pretrain/tiny-folder.ts";

let dir = "";
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "python-files-"));
  await writeTinyFolder(join(dir, "model"));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

test("numbers of both configs are written as they were: floats stay floats, and 10^30 stays whole", async () => {
  const model = join(dir, "model");
  const config = (await readFile(join(model, "config.json"), "utf8")).replace(
    "{",
    '{\n  "initializer_factor": 1.0,\n  "dropout_rate": 0.10,\n  "classifier_dropout": 0.0,\n  "layer_norm_epsilon": 1e-06,',
  );
  await writeFile(join(model, "config.json"), config);
  const length = '"model_max_length": 1000000000000000019884624838656';
  await writeFile(
    join(model, "tokenizer_config.json"),
    `{${length}, "tokenizer_class": "T5Tokenizer", "extra_ids": 0}`,
  );
  await mkdir(join(dir, "saved"));
  await saveSideFiles(join(dir, "saved"), { dir: model, config: await loadConfig(model) });
  const saved = await readFile(join(dir, "saved", "config.json"), "utf8");
  for (const line of ['"initializer_factor": 1.0,', '"dropout_rate": 0.10,', '"classifier_dropout": 0.0,', "1e-06,"])
    expect(saved).toContain(line);
  expect(await readFile(join(dir, "saved", "tokenizer_config.json"), "utf8")).toBe(
    `{\n  ${length},\n  "tokenizer_class": "PreTrainedTokenizerFast",\n  "extra_ids": 0\n}\n`,
  );
});

test("a tokenizer of a class of its own keeps it", () => {
  expect(tokenizerConfigText('{"tokenizer_class": "MyTokenizer", "a": 1.0}')).toBe(
    '{\n  "tokenizer_class": "MyTokenizer",\n  "a": 1.0\n}\n',
  );
});
