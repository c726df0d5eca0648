// The import directions of biome.json, proved to bite: Biome lints small files laid out as in src/, under the project's own rules.

import { execFile, spawnSync } from "node:child_process";
import { cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { FLOORS } from "./rooms.ts";

const root = join(import.meta.dirname, "../..");
const biome = join(root, "node_modules/@biomejs/biome/bin/biome");

/** Biome comes as a binary a platform; where npm has none installed there is nothing to prove. */
const hasBiome = spawnSync(process.execPath, [biome, "--version"], { timeout: 30_000 }).status === 0;
if (!hasBiome) console.warn("skipped: Biome has no binary for this platform in node_modules");

const forbidden: [file: string, imported: string][] = [
  ["src/shared/a.ts", "node:fs"],
  ["src/shared/a.ts", "../train/loss.ts"],
  ["src/shared/a.ts", "@huggingface/transformers"],
  ["src/edge/a.ts", "node:fs"],
  ["src/edge/a.ts", "fs"],
  ["src/edge/a.ts", "onnxruntime-web"],
  ["src/edge/routes/a.ts", "../../train/loss.ts"],
  ["src/edge/a.ts", "../infer/run.ts"],
  ["src/edge/ort.ts", "hono"],
  ["src/edge/ort.ts", "../train/loss.ts"],
  ["src/train/a.ts", "@tensorflow/tfjs"],
  ["src/train/model/a.ts", "@tensorflow/tfjs-node"],
  ["src/train/a.ts", "../edge/app.ts"],
  ["src/train/export/a.ts", "../../infer/run.ts"],
  ["src/train/a.ts", "onnxruntime-web"],
  ["src/train/tensorflow/tensorflow.ts", "../edge/app.ts"],
  ["src/infer/a.ts", "../train/loss.ts"],
  ["src/infer/a.ts", "../edge/app.ts"],
  ["src/infer/a.ts", "@tensorflow/tfjs"],
  ["scripts/a.ts", "@tensorflow/tfjs"],
  ["src/serve/a.ts", "../train/loss.ts"],
  ["src/serve/a.ts", "onnxruntime-web"],
  ["src/playground/a.tsx", "node:fs"],
  ["src/playground/a.ts", "../infer/infer.ts"],
  ["src/playground/a.ts", "../edge/ort.ts"],
  ["src/playground/a.ts", "hono"],
];

const allowed: [file: string, imported: string][] = [
  ["src/shared/a.ts", "zod"],
  ["src/shared/a.ts", "@huggingface/tokenizers"],
  ["src/shared/a.ts", "./errors.ts"],
  ["src/edge/a.ts", "hono/bearer-auth"],
  ["src/edge/routes/a.ts", "../../shared/errors.ts"],
  ["src/edge/ort.ts", "onnxruntime-web/wasm"],
  ["src/edge/ort.ts", "../shared/errors.ts"],
  ["src/train/tensorflow/tensorflow.ts", "@tensorflow/tfjs"],
  ["src/train/model/a.ts", "../tensorflow.ts"],
  ["src/train/a.ts", "onnxruntime-node"],
  ["src/infer/a.ts", "../shared/errors.ts"],
  ["src/infer/a.ts", "../edge/client.ts"],
  ["src/serve/a.ts", "../edge/app.ts"],
  ["src/serve/a.ts", "onnxruntime-node"],
  ["scripts/a.ts", "../src/train/loss.ts"],
  ["src/playground/a.tsx", "preact/hooks"],
  ["src/playground/local/a.ts", "../../edge/app.ts"],
  ["src/playground/a.ts", "../shared/design.ts"],
];

/** Every room of src/train against every other, from a file in it and from one in a folder of it: down is allowed, up and across are not. */
const rooms = FLOORS.flatMap((names, floor) =>
  names.flatMap((name) => (name.startsWith("src/train/") ? [{ name: name.slice("src/train/".length), floor }] : [])),
);
for (const user of rooms)
  for (const used of rooms) {
    if (user === used) continue;
    const cases = used.floor < user.floor ? allowed : forbidden;
    cases.push([`src/train/${user.name}/room.ts`, `../${used.name}/b.ts`]);
    cases.push([`src/train/${user.name}/part/room.ts`, `../../${used.name}/part/b.ts`]);
  }

const key = (file: string, imported: string): string => `${file} imports ${imported}`;
let dir: string;
let refused: Set<string>;

/** One run of Biome over all cases; a file holds one import a line. */
beforeAll(async () => {
  if (!hasBiome) return;
  dir = await mkdtemp(join(tmpdir(), "imports-"));
  await cp(join(root, "biome.json"), join(dir, "biome.json"));
  const lines = new Map<string, string[]>();
  for (const [file, imported] of [...forbidden, ...allowed]) {
    const imports = lines.get(file) ?? [];
    imports.push(imported);
    lines.set(file, imports);
  }
  for (const [file, imports] of lines) {
    await mkdir(dirname(join(dir, file)), { recursive: true });
    await writeFile(join(dir, file), imports.map((name) => `import "${name}";\n`).join(""));
  }
  const args = [biome, "lint", "--only=style/noRestrictedImports", "--max-diagnostics=none", "--reporter=json", "."];
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: dir }).catch(
    (error: { stdout: string }) => error,
  );
  refused = new Set<string>();
  const report: { diagnostics: { location: { path: string; start: { line: number } } }[] } = JSON.parse(stdout);
  for (const { location } of report.diagnostics) {
    const imported = lines.get(location.path)?.[location.start.line - 1];
    if (imported !== undefined) refused.add(key(location.path, imported));
  }
});
afterAll(async () => {
  if (hasBiome) await rm(dir, { recursive: true });
});

test.runIf(hasBiome).each(forbidden)("%s may not import %s", (file, imported) => {
  expect(refused).toContain(key(file, imported));
});

test.runIf(hasBiome).each(allowed)("%s may import %s", (file, imported) => {
  expect(refused).not.toContain(key(file, imported));
});
