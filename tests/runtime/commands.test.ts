// npm run dev and npm run deploy as a user meets them: exit codes and messages.

import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { exportTinyModel } from "./tiny-model.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

let model: Awaited<ReturnType<typeof exportTinyModel>>;
let empty: string;

beforeAll(async () => {
  model = await exportTinyModel();
  empty = await mkdtemp(join(tmpdir(), "stepwise-empty-"));
});
afterAll(async () => {
  await model.remove();
  await rm(empty, { recursive: true, force: true });
});

function run(script: string, ...args: string[]): Promise<{ code: number | null; stderr: string; stdout: string }> {
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      ["--import", "tsx", join(ROOT, "scripts", script), ...args],
      { cwd: ROOT, timeout: 50_000 },
      (_, stdout, stderr) => resolve({ code: child.exitCode, stdout, stderr }),
    );
  });
}

test.each(["dev.ts", "deploy.ts"])("%s --help names its flags and exits 0", async (script) => {
  const { code, stdout } = await run(script, "--help");
  expect(code).toBe(0);
  for (const flag of ["--policy", "--reward", "--dtype"]) expect(stdout).toContain(flag);
});

test.each([
  ["playground.ts", ["--model", "--baseline", "--reward", "--open"]],
  ["playground-build.ts", ["--policy", "--reward", "--output"]],
])("%s --help names its flags and exits 0", async (script, flags) => {
  const { code, stdout } = await run(script, "--help");
  expect(code).toBe(0);
  for (const flag of flags) expect(stdout).toContain(flag);
});

test.each(["dev.ts", "deploy.ts"])("%s says which file a folder without a model lacks", async (script) => {
  const { code, stderr } = await run(script, "--policy", empty, "--reward", model.dir);
  expect(code).toBe(1);
  expect(stderr).toContain("no config.json");
  expect(stderr).toContain(empty);
});

test("an unknown flag is an error", async () => {
  const { code, stderr } = await run("deploy.ts", "--dry-rum");
  expect(code).toBe(1);
  expect(stderr).toContain("unknown option '--dry-rum'");
});

test("dev says that its port is taken, and names a free one", async () => {
  const server = createServer();
  const port = await new Promise<number>((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      resolve(typeof address === "object" && address !== null ? address.port : 0);
    });
  });
  try {
    const { code, stderr } = await run("dev.ts", "--policy", model.dir, "--reward", model.dir, "--port", String(port));
    expect(code).toBe(1);
    expect(stderr).toMatch(new RegExp(`port ${port} is taken\\. Choose another, e\\.g\\. --port \\d+`));
  } finally {
    server.close();
  }
});
