// The documents against what they describe: the dependency list and the quoted prompts cannot go stale unseen.

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { z } from "zod";
import { batchPaths } from "../../src/edge/batch/describe.ts";
import { openapiDocument } from "../../src/edge/routes/openapi.ts";
import { judgePrompt, TEMPLATE_VERSION } from "../../src/shared/prompts.ts";
import { TRAIN_DEFAULTS } from "../../src/train/recipes/dpo/config.ts";
import { settingName } from "../../src/train/recipes/run/settings.ts";

const root = join(import.meta.dirname, "../..");
const read = (file: string): Promise<string> => readFile(join(root, file), "utf8");
const versions = z.record(z.string(), z.string());
const packageJson = z
  .object({ version: z.string(), dependencies: versions, devDependencies: versions })
  .parse(JSON.parse(await read("package.json")));
const packages = Object.entries({ ...packageJson.dependencies, ...packageJson.devDependencies });

test.each(packages)("docs/dependencies.md lists %s at %s", async (name, version) => {
  const rows = (await read("docs/dependencies.md")).split("\n").map((row) => row.split("|").map((cell) => cell.trim()));
  const row = rows.find((cells) => cells[1]?.split(", ").includes(name));
  const place = row?.[1]?.split(", ").indexOf(name) ?? -1;
  expect(row?.[2]?.split(", ")[place]).toBe(version);
});

test("LLM_USAGE.md quotes the judge prompt as it is", async () => {
  const steps = [{ text: "3 + 4 = 7" }, { text: "7 - 2 = 5" }];
  const problem = "Tom has 3 apples and buys 4. He eats 2. How many are left?";
  const text = await read("LLM_USAGE.md");
  expect(text).toContain(`\n${judgePrompt(problem, steps, 1)}\n`);
  expect(text).toContain(`\`${TEMPLATE_VERSION}\``);
});

test("the changelog has the current version", async () => {
  expect(await read("CHANGELOG.md")).toContain(`\n## ${packageJson.version} `);
});

test.each(Object.entries(TRAIN_DEFAULTS))("docs/training.md names the setting %s", async (key) => {
  expect(await read("docs/training.md")).toContain(`\`${settingName(key)}\``);
});

test.each(Object.keys(openapiDocument({ batches: false }).paths))("docs/api.md describes %s", async (path) => {
  expect(await read("docs/api.md")).toMatch(new RegExp(`\`(GET|POST) ${path}\``));
});

test.each(
  Object.entries(batchPaths()).flatMap(([path, methods]) =>
    Object.keys(methods).map((m) => `${m.toUpperCase()} ${path}`),
  ),
)("docs/batch.md describes %s", async (call) => {
  expect(await read("docs/batch.md")).toContain(`\`${call}\``);
});
