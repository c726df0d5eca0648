// The two commands as a user runs them: exit codes and what they print.

import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const dir = mkdtempSync(join(tmpdir(), "data-scripts-"));
afterAll(() => rmSync(dir, { recursive: true }));

function run(script: string, ...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const command = ["--import", "tsx", join(root, "scripts", script), ...args];
  return spawnSync(process.execPath, command, { cwd: root, encoding: "utf8", timeout: 50_000 });
}

test("generated data is converted, and both commands say what they wrote", () => {
  const raw = join(dir, "raw.json");
  const generated = run("generate-data.ts", "--output", raw, "--problems", "20", "--seed", "3");
  expect(generated).toMatchObject({ status: 0, stderr: "" });
  expect(generated.stdout).toContain("20 problems written to");
  const prepared = run("prepare-data.ts", "--input", raw, "--output", join(dir, "dpo"), "--eval-fraction", "0.2");
  expect(prepared).toMatchObject({ status: 0, stderr: "" });
  expect(prepared.stdout).toMatch(/train {4}16 pairs of 16 prompts.*\neval {5}4 pairs of 4 prompts/);
});

test("a bad file ends with exit code 1 and one clear line", () => {
  const input = join(dir, "bad.json");
  writeFileSync(input, '{\n"records": [\n{"prompt": }\n]}');
  const { status, stderr } = run("prepare-data.ts", "--input", input, "--output", join(dir, "bad"));
  expect(status).toBe(1);
  expect(stderr).toContain(`the file is not JSON (${input}, line 3, column 12). Mend the file there`);
  expect(stderr).not.toContain("    at ");
});

test("a bad flag ends with exit code 1", () => {
  expect(run("prepare-data.ts", "--eval-fraction", "1")).toMatchObject({ status: 1, stdout: "" });
  expect(run("generate-data.ts", "--problem", "3").stderr).toContain("unknown option '--problem'");
});
