// Batch inference end to end: an exported model, real workerd, result files.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "csv-parse/sync";
import { afterAll, beforeAll, expect, test } from "vitest";
import { infer } from "../../src/infer/infer.ts";
import { startLocalWorker } from "../../src/infer/local-worker.ts";
import { resultSchema } from "../../src/shared/records.ts";
import { exportTinyModel } from "./tiny-model.ts";

let model: Awaited<ReturnType<typeof exportTinyModel>>;
let folder: string;

beforeAll(async () => {
  model = await exportTinyModel();
  folder = mkdtempSync(join(tmpdir(), "infer-runtime-"));
});

afterAll(async () => {
  await model.remove();
  rmSync(folder, { recursive: true, force: true });
});

test("pairs go through a worker on this machine to JSONL and CSV, and a record that it refuses is reported", async () => {
  const pair = (prompt: string) => ({ prompt, chosen: "2 + 2 = 4\nso 4", rejected: "2 + 2 = 5" });
  const prompts = ["2 + 2 = ?", "the, step", "apples ".repeat(600), "is it?"];
  const input = join(folder, "pairs.jsonl");
  writeFileSync(input, prompts.map((prompt) => `${JSON.stringify(pair(prompt))}\n`).join(""));
  const flags = { input, outputDir: folder, concurrency: 4, maxNewTokens: 6, model: model.dir, rewardModel: model.dir };
  const summary = await infer({ ...flags, resume: false }, { startWorker: startLocalWorker });
  expect(summary.succeeded).toBe(3);
  expect(summary.failures.map(({ line, error }) => [line, error.slice(0, 9)])).toEqual([[3, "HTTP 422:"]]);
  const rows = readFileSync(join(folder, "inference_results.jsonl"), "utf8").trimEnd().split("\n");
  const results = rows.map((row) => resultSchema.parse(JSON.parse(row)));
  expect(results.map(({ prompt }) => prompt)).toEqual([prompts[0], prompts[1], prompts[3]]);
  for (const { chosen_score, rejected_score, preferred } of results) {
    expect(preferred).toBe(chosen_score > rejected_score ? "chosen" : "rejected");
    expect(chosen_score).toBeGreaterThan(0);
    expect(chosen_score).toBeLessThan(1);
  }
  const cells: Record<string, string>[] = parse(readFileSync(join(folder, "inference_results.csv")), { columns: true });
  expect(cells.map(({ model_output }) => model_output)).toEqual(results.map(({ model_output }) => model_output));

  const again = await infer({ ...flags, resume: true }, { startWorker: startLocalWorker });
  expect(again.resumed).toBe(3);
});
