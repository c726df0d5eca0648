// Golden files that are missing or wrong say so: what, where, how to mend it. And the command's exit codes.

import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { completionOf, cosine, differingIds, formatChecks } from "../../../../src/train/checks/parity/check.ts";
import { checkGoldenFits, loadGolden, parseGolden } from "../../../../src/train/checks/parity/golden.ts";
import { loadConfig } from "../../../../src/train/store/model-config.ts";
import { goldenDir } from "./models.ts";

const model = goldenDir("t5-v1.1");
const path = join(model, "golden.json");
const json = (): Record<string, unknown> => JSON.parse(readFileSync(path, "utf8"));
const dir = mkdtempSync(join(tmpdir(), "golden-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

describe("a golden file is refused", () => {
  test("when it is missing", async () => {
    await expect(loadGolden(join(dir, "none.json"))).rejects.toThrow(
      /golden file cannot be read \(.*none\.json\)\. Give an existing file/,
    );
  });

  test("when it is not JSON", async () => {
    writeFileSync(join(dir, "broken.json"), "{");
    await expect(loadGolden(join(dir, "broken.json"))).rejects.toThrow(/not JSON \(.*broken\.json\)/);
  });

  test.each(["prompts", "chosen_token_logps", "greedy", "stepwise_loss", "grad_l2_by_parameter", "adamw"])(
    "without %s",
    (field) => {
      const { [field]: _, ...rest } = json();
      expect(() => parseGolden(rest, path)).toThrow(
        new RegExp(`field "${field}": .* \\(.*golden\\.json\\)\\. A golden file has`),
      );
    },
  );

  test("with fewer log-probs than tokens", () => {
    expect(() => parseGolden({ ...json(), chosen_token_logps: [[-1], [-2]] }, path)).toThrow(
      'field "chosen_token_logps.0": 1 values, 25 tokens',
    );
  });

  test("with fewer margins than prompts", () => {
    expect(() => parseGolden({ ...json(), score_margin: [0.4] }, path)).toThrow(
      'field "score_margin": 1 rows, 2 prompts',
    );
  });

  test("when it is another model's", async () => {
    const golden = await loadGolden(path);
    const config = await loadConfig(goldenDir("t5-v1.0"));
    expect(() => checkGoldenFits(golden, config, "models/other")).toThrow(
      /not of models\/other: it has token id 9\d, the model 80 ids .* Give the golden file that was made with this model/,
    );
    expect(() => checkGoldenFits(golden, { ...config, vocabSize: 96 }, "models/other")).toThrow(
      "32 values, the model's 24",
    );
  });
});

test("greedy rows are compared from after the start token to the first EOS", () => {
  expect(completionOf([0, 7, 8, 1, 0, 0], 1)).toEqual([7, 8, 1]);
  expect(completionOf([0, 7, 8], 1)).toEqual([7, 8]);
  expect(differingIds([[7, 8, 1]], [[7, 9, 1]])).toBe(1);
  expect(differingIds([[7]], [[7, 8], [9]])).toBe(2);
});

test("cosines: the same direction 1, a right angle 0, the opposite -1", () => {
  expect(cosine([1, 2], [2, 4])).toBeCloseTo(1, 12);
  expect(cosine([1, 0], [0, 3])).toBe(0);
  expect(cosine([1, 2], [-1, -2])).toBeCloseTo(-1, 12);
});

test("the table names each check, its gap, its tolerance and the result", () => {
  const table = formatChecks([
    { name: "logits", gap: 2.5e-6, tolerance: 1e-4, unit: "" },
    { name: "loss", gap: 0.25, tolerance: 1e-4, unit: "" },
    { name: "spread", gap: 0.5, tolerance: undefined, unit: "%" },
  ]);
  expect(table.split("\n").map((line) => line.split(/ {2,}/))).toEqual([
    ["check", "largest gap", "tolerance", "result"],
    ["logits", "2.5e-6", "1.0e-4", "ok"],
    ["loss", "2.5e-1", "1.0e-4", "TOO FAR"],
    ["spread", "5.0e-1 %", "-", "-"],
  ]);
});

describe("npm run parity", () => {
  const root = fileURLToPath(new URL("../../../..", import.meta.url));
  const run = (...flags: string[]): { status: number | null; stdout: string; stderr: string } =>
    spawnSync(process.execPath, ["--import", "tsx", "scripts/parity.ts", ...flags], {
      cwd: root,
      encoding: "utf8",
      timeout: 50_000,
    });

  test("exits 0 when all is well", () => {
    const good = run("--model", model, "--golden", path, "--no-onnx");
    expect([good.status, good.stdout]).toEqual([0, expect.stringMatching(/greedy token ids +0 ids +0 ids +ok/)]);
  });

  test("exits 1 when one number is off", () => {
    const off = join(dir, "off.json");
    writeFileSync(off, JSON.stringify({ ...json(), stepwise_loss: 16.9 }));
    const bad = run("--model", model, "--golden", off, "--no-onnx");
    expect([bad.status, bad.stdout]).toEqual([1, expect.stringMatching(/stepwise DPO loss .* TOO FAR/)]);
    expect(bad.stderr).toContain("1 of 11 checks are over tolerance");
  });

  test("exits 1 with one line for a missing file", () => {
    const { status, stderr } = run("--model", model, "--golden", "nowhere.json");
    expect([status, stderr]).toEqual([
      1,
      expect.stringContaining("error: the golden file cannot be read (nowhere.json)."),
    ]);
    expect(stderr).not.toContain("    at ");
  });
});
