// The Dockerfile against what it copies and runs: no daemon is needed to see that its paths and flags are there.

import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const root = join(import.meta.dirname, "../..");
const read = (file: string): Promise<string> => readFile(join(root, file), "utf8");
/** Instructions, each on one line. */
const instructions = (await read("Dockerfile"))
  .replaceAll(/\\\n\s*/g, " ")
  .split("\n")
  .filter((line) => /^[A-Z]+ /.test(line));
const argumentsOf = (name: string): string[] =>
  instructions.filter((line) => line.startsWith(`${name} `)).map((line) => line.slice(name.length + 1));
const copied = argumentsOf("COPY").flatMap((line) => line.split(" ").slice(0, -1));
const packageJson: { scripts: Record<string, string>; engines: { node: string } } = JSON.parse(
  await read("package.json"),
);

test("the base is one exact version of Node that the package allows", () => {
  const [base = ""] = argumentsOf("FROM");
  expect(base).toMatch(/^node:\d+\.\d+\.\d+-bookworm-slim$/);
  const [major = 0, minor = 0] = base.slice(5).split(".").map(Number);
  const [least = 0, leastMinor = 0] = packageJson.engines.node.replace(/^>=/, "").split(".").map(Number);
  expect(major > least || (major === least && minor >= leastMinor)).toBe(true);
});

test.each(copied)("%s is in the repository, and not kept out of the build", async (path) => {
  const { stdout } = await promisify(execFile)("git", ["ls-files", "--", path], { cwd: root });
  expect(stdout.trim()).not.toBe("");
  const lines = (await read(".dockerignore")).split("\n").filter((line) => line !== "");
  const isKept = lines.includes(`!${path}`);
  const isOut = lines.some((line) => line === path || (line.endsWith("/*") && path.startsWith(line.slice(0, -1))));
  expect(isOut && !isKept).toBe(false);
});

test("what lies about in a checkout stays out of the build", async () => {
  expect((await read(".dockerignore")).split("\n")).toEqual(
    expect.arrayContaining([".git", "node_modules", "outputs/*", ".wrangler", ".dev.vars"]),
  );
});

test("every script and source that is run or imported is among what is copied, with the flags that it knows", async () => {
  const entry: string[] = JSON.parse(argumentsOf("ENTRYPOINT")[0] ?? "[]");
  const script = entry.find((word) => word.endsWith(".ts")) ?? "";
  const own = await read(script);
  const shared = [...own.matchAll(/from "\.\/([\w-]+\.ts)"/g)].map(([, file]) => read(`scripts/${file}`));
  const source = [own, ...(await Promise.all(shared))].join("\n");
  for (const flag of entry.filter((word) => word.startsWith("--") && word !== "--import"))
    expect(source).toContain(`"${flag} <`);
  const ran = argumentsOf("RUN").join(" ");
  const commands = [...ran.matchAll(/npm run ([\w:-]+)/g)].map(([, name]) => packageJson.scripts[name ?? ""] ?? "none");
  const files = [script, ...commands.map((command) => command.replace(/^node --import tsx /, ""))];
  const imported = [...ran.matchAll(/\/app\/([\w./-]+\.ts)/g)].map(([, path]) => path ?? "");
  const models = [...`${ran} ${entry.join(" ")}`.matchAll(/data\/models\/[\w-]+/g)].map(([path]) => path);
  expect(models.length).toBeGreaterThan(2);
  for (const path of [...files, ...imported, ...models.map((dir) => `${dir}/config.json`)]) {
    await read(path);
    expect(copied.some((place) => path.startsWith(`${place}/`))).toBe(true);
  }
});
