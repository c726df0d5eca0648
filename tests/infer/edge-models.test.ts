// What a folder from elsewhere can make of the layout of a worker's assets: nothing outside of it.

import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { prepareEdgeModels } from "../../src/infer/edge-models.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "stepwise-layout-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test("a manifest whose file lies outside of its folder neither overwrites nor takes a file there", async () => {
  const policyDir = join(folder, "downloads", "model");
  const assetsDir = join(folder, "project", ".edge");
  await mkdir(policyDir, { recursive: true });
  await mkdir(join(folder, "project"));
  await writeFile(join(folder, "package.json"), "theirs");
  await writeFile(join(folder, "project", "package.json"), "ours");
  const graph = { path: "../../package.json", role: "decoder", dtype: "int8", bytes: 6, sha256: "0".repeat(64) };
  const manifest = {
    format: 1,
    model: "model",
    created: "2026-01-01T00:00:00.000Z",
    template_version: "stepwise-1",
    judge: { yes_token_id: 5, no_token_id: 6 },
    limits: { max_source_tokens: 16, max_target_tokens: 16 },
    files: [graph],
  };
  await writeFile(join(policyDir, "stepwise_manifest.json"), JSON.stringify(manifest));
  await expect(prepareEdgeModels({ policyDir, rewardDir: policyDir, assetsDir })).rejects.toThrow(
    'field "files.0.path": must stay inside the model folder',
  );
  expect(await readdir(join(folder, "project"))).toEqual(["package.json"]);
  expect(await readFile(join(folder, "project", "package.json"), "utf8")).toBe("ours");
});
