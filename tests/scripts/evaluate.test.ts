// npm run evaluate as a user runs it: the files it writes, what it prints, and its exit codes.

import { spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parseEvaluationResult } from "../../src/train/evaluate/result.ts";
import { writeTinyFolder } from "../train/recipes/pretrain/tiny-folder.ts";

const root = join(import.meta.dirname, "../..");
let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "evaluate-script-"));
  await writeTinyFolder(join(dir, "model"));
});
afterAll(() => rm(dir, { recursive: true }));

function evaluate(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const command = ["--import", "tsx", join(root, "scripts/evaluate.ts"), ...args];
  return spawnSync(process.execPath, command, { cwd: root, encoding: "utf8", timeout: 100_000 });
}

test("writes result and report, prints the figures, and makes the report again", { timeout: 120_000 }, async () => {
  const output = join(dir, "out");
  const flags = [
    "--problems",
    "2",
    "--seed",
    "3",
    "4",
    "--max-new-tokens",
    "8",
    "--samples",
    "2",
    "--resamples",
    "100",
  ];
  const { status, stdout } = evaluate("--model", join(dir, "model"), ...flags, "--output", output);
  expect(status).toBe(0);
  expect(stdout).toContain("4 problems of heldout, seeds 3 4");
  expect(stdout).toMatch(/solved exactly +0\.0 % \[0\.0, 0\.0\]/);
  const result = parseEvaluationResult(JSON.parse(await readFile(join(output, "evaluation.json"), "utf8")));
  expect(result.command).toBe(
    `npm run evaluate -- --model ${join(dir, "model")} ${flags.join(" ")} --output ${output}`,
  );
  await rm(join(output, "report.html"));
  expect(evaluate("--report-only", join(output, "evaluation.json")).status).toBe(0);
  expect(await readFile(join(output, "report.html"), "utf8")).toMatch(/<\/html>\s*$/);
});

test("a wrong option ends with exit code 1 and one line that says what to change", { timeout: 60_000 }, () => {
  const { status, stdout, stderr } = evaluate("--model", join(dir, "model"), "--samples", "0");
  expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
  expect(stderr).toContain("error: 0 is no whole number of at least 2 (--samples). Draw at least 2 samples a problem");
  expect(stderr).not.toContain("    at ");
});
