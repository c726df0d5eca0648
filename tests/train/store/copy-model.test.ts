// A model folder copied: whole files whatever the original lacks, and nothing of what lay there before.

import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { copyModel } from "../../../src/train/store/copy-model.ts";
import { openModelTensors, writeSafetensors } from "../../../src/train/store/safetensors.ts";
import { writeTinyFolder } from "../recipes/pretrain/tiny-folder.ts";

let root = "";
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "copy-model-"));
});
afterAll(() => rm(root, { recursive: true, force: true }));

/** Moves the weights of a folder into two files with an index. */
async function shard(dir: string): Promise<void> {
  const reader = await openModelTensors(dir);
  const tensors = await Promise.all(
    reader.names.map(async (name) => ({
      name,
      shape: reader.info(name).shape,
      data: await reader.readFloat32(name),
    })),
  );
  await reader.close();
  const halves = [tensors.slice(0, 5), tensors.slice(5)];
  const files = halves.map((_, i) => `model-0000${i + 1}-of-00002.safetensors`);
  for (const [i, half] of halves.entries()) await writeSafetensors(join(dir, files[i] ?? ""), half);
  const weight_map = Object.fromEntries(halves.flatMap((half, i) => half.map(({ name }) => [name, files[i]])));
  await writeFile(join(dir, "model.safetensors.index.json"), JSON.stringify({ weight_map }));
  await rm(join(dir, "model.safetensors"));
}

test("shards become one file of the same values; files that the original has come along, others are not missed", async () => {
  const [from, to] = [join(root, "sharded"), join(root, "copy")];
  await writeTinyFolder(from);
  const whole = await readFile(join(from, "model.safetensors"));
  await shard(from);
  await rm(join(from, "generation_config.json"));
  await writeFile(join(from, "special_tokens_map.json"), '{"eos_token":"</s>"}');
  await writeFile(join(from, "spiece.model"), Buffer.from([1, 0, 255]));
  await mkdir(to);
  for (const name of ["generation_config.json", "adapter_config.json", "adapter_model.safetensors"])
    await writeFile(join(to, name), "{}");
  await copyModel(from, to);
  expect((await readFile(join(to, "model.safetensors"))).equals(whole)).toBe(true);
  expect(await readFile(join(to, "special_tokens_map.json"), "utf8")).toBe('{"eos_token":"</s>"}');
  expect([...(await readFile(join(to, "spiece.model")))]).toEqual([1, 0, 255]);
  expect((await readdir(to)).sort()).toEqual([
    "config.json",
    "model.safetensors",
    "special_tokens_map.json",
    "spiece.model",
    "tokenizer.json",
    "tokenizer_config.json",
  ]);
});

test("a folder copied onto itself stays as it is", async () => {
  const dir = join(root, "same");
  await writeTinyFolder(dir);
  await shard(dir);
  await copyModel(dir, join(dir, "."));
  expect(existsSync(join(dir, "model.safetensors"))).toBe(false);
});
