// The converter on files: what it writes, what it drops and where, and which files it refuses.

import { existsSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loadPairs } from "../../../../src/train/data/pairs/load-pairs.ts";
import { prepareData } from "../../../../src/train/data/pairs/prepare.ts";
import { prepareSummary } from "../../../../src/train/data/pairs/prepare-summary.ts";
import { readPairs } from "../../../../src/train/data/pairs/read-pairs.ts";

const root = fileURLToPath(new URL("../../../../", import.meta.url));
let dir = "";
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "prepare-"));
});
afterAll(() => rm(dir, { recursive: true }));

async function file(name: string, text: string): Promise<string> {
  await writeFile(join(dir, name), text);
  return join(dir, name);
}

const pair = (n: number, prompt = `q${n}`) => ({ prompt, chosen: `a${n}`, rejected: `b${n}` });
const lines = (values: readonly unknown[]) => values.map((value) => JSON.stringify(value)).join("\n");

describe("files", () => {
  test("the committed data/dpo is what the default command writes", async () => {
    const output = join(dir, "default");
    await prepareData({ input: join(root, "data/raw/synthetic_prm.json"), output, evalFraction: 0.1, seed: 42 });
    for (const name of ["train.jsonl", "eval.jsonl"]) {
      const made = await readFile(join(output, name), "utf8");
      expect(made === (await readFile(join(root, "data/dpo", name), "utf8"))).toBe(true);
    }
    expect((await readdir(output)).sort()).toEqual(["eval.jsonl", "report.json", "train.jsonl"]);
  });

  test("no prompt is in both files, also when its case and spaces differ", async () => {
    const pairs = Array.from({ length: 60 }, (_, i) =>
      pair(i, i % 2 ? `Question  ${i % 20}` : `question ${(i + 1) % 20}\n`),
    );
    const input = await file("same-prompts.jsonl", lines(pairs));
    const output = join(dir, "same-prompts");
    const report = await prepareData({ input, output, evalFraction: 0.3, seed: 1 });
    expect(report).toMatchObject({ train: { pairs: 42, prompts: 7 }, eval: { pairs: 18, prompts: 3 } });
    const prompts = async (split: "train" | "eval") =>
      new Set((await loadPairs(output, split)).pairs.map(({ prompt }) => prompt.toLowerCase().replace(/\s+/g, " ")));
    const evalPrompts = await prompts("eval");
    expect([...(await prompts("train"))].filter((prompt) => evalPrompts.has(prompt))).toEqual([]);
  });

  test("max-pairs keeps so many, drawn by the seed, in the file's order", async () => {
    const input = await file("many.jsonl", lines(Array.from({ length: 50 }, (_, i) => pair(i))));
    const run = async (seed: number) => {
      await prepareData({ input, output: join(dir, "many"), evalFraction: 0, seed, maxPairs: 10 });
      return (await loadPairs(join(dir, "many"))).pairs.map(({ chosen }) => Number(chosen.slice(1)));
    };
    const kept = await run(1);
    expect(kept).toHaveLength(10);
    expect(kept).toEqual([...kept].sort((a, b) => a - b));
    expect(await run(1)).toEqual(kept);
    expect(await run(2)).not.toEqual(kept);
  });

  test("bad records are dropped with their line and reason, the others kept", async () => {
    const text = [
      lines([pair(1)]),
      "{broken",
      "",
      lines([{ prompt: "", chosen: "a", rejected: "b" }, pair(1), 7, { q: 1 }, pair(2)]),
    ];
    const input = await file("mixed.jsonl", text.join("\n"));
    const { pairs, dropped, recordsRead } = await readPairs(input);
    expect(pairs).toEqual([pair(1), pair(2)]);
    expect(recordsRead).toBe(7);
    expect(dropped.map(({ where, reason }) => [where.slice(where.lastIndexOf(":") + 1), reason])).toEqual([
      ["2", "broken_json"],
      ["4", "empty_prompt"],
      ["5", "duplicate"],
      ["6", "not_an_object"],
      ["7", "unknown_format"],
    ]);
    const report = await prepareData({ input, output: join(dir, "mixed"), evalFraction: 0.5, seed: 1 });
    expect(report.dropped).toEqual({
      broken_json: 1,
      duplicate: 1,
      empty_prompt: 1,
      not_an_object: 1,
      unknown_format: 1,
    });
    const summary = prepareSummary(report, "out");
    expect(summary).toContain("dropped  5 (broken_json: 1,");
    expect(summary).toContain("mixed.jsonl:2: the line is not JSON (column 2)");
    // in the order of the counts; a pair that was read before needs no mending
    expect(summary.split("\n").filter((line) => line.startsWith("mend"))).toEqual([
      "mend     broken_json: write one whole JSON object on each line, as json.dumps does",
      "mend     empty_prompt: fill the prompt",
      "mend     unknown_format: rename its fields with --columns, or see the formats in docs/data.md",
    ]);
  });

  test("a JSON list, an object with records and JSON Lines under another name are read alike", async () => {
    const pairs = [pair(1), pair(2)];
    for (const text of [
      JSON.stringify(pairs),
      JSON.stringify({ seed: 1, records: pairs }, null, 1),
      `\uFEFF${lines(pairs)}\n`,
    ]) {
      expect((await readPairs(await file("alike.json", text))).pairs).toEqual(pairs);
    }
  });

  test("step-level pairs and Math-Shepherd rows are converted to what training reads", async () => {
    const shepherd = (steps: string, signs: string) => ({
      input: `How many? ${steps.replaceAll("#", "ки")}`,
      label: `How many? ${[...signs].reduce((text, sign) => text.replace("#", sign), steps)}`,
    });
    const rows = [
      { prompt: "s", initial_reason_steps: "a\nStep 2:", chosen: " b", rejected: " c", full_chosen: " b\nd" },
      { prompt: "s", prefix: "a", chosen: "b", rejected: "c", chosen_score: 1, rejected_score: 0 },
      shepherd("Step 1: 2 + 2 = 4 #\nStep 2: A: 4 #", "++"),
      shepherd("Step 1: 2 + 2 = 4 #\nStep 2: A: 5 #", "+-"),
    ];
    const output = join(dir, "step-level");
    const input = await file("step-level.jsonl", lines(rows));
    const report = await prepareData({ input, output, evalFraction: 0, seed: 1 });
    expect(report.formats).toMatchObject({ step_pairs: 2, math_shepherd: 2 });
    expect((await loadPairs(output)).pairs).toEqual([
      { prompt: "s", prefix: "a", unfinished: true, chosen: "Step 2: b", rejected: "Step 2: c" },
      { prompt: "s", prefix: "a", chosen: "b", rejected: "c", chosen_score: 1, rejected_score: 0 },
      {
        prompt: "How many?",
        chosen: "Step 1: 2 + 2 = 4\nStep 2: A: 4",
        rejected: "Step 1: 2 + 2 = 4\nStep 2: A: 5",
        chosen_labels: [1, 1],
        rejected_labels: [1, 0],
      },
    ]);
  });

  test("stepwise rows and pairs may stand in one file", async () => {
    const rows = [
      { prompt: "s", completions: ["x", "y"], labels: [true, true] },
      pair(1),
      { prompt: "s", completions: ["x", "z"], labels: [true, false] },
      { prompt: "t", completions: ["x"], labels: [false] },
    ];
    const { pairs, dropped, formats } = await readPairs(await file("both.jsonl", lines(rows)));
    expect(pairs.map(({ rejected }) => rejected)).toEqual(["b1", "x\nz"]);
    expect(formats).toEqual({ pairs: 1, stepwise: 3 });
    expect(dropped.map(({ where, reason }) => `${where.slice(-1)} ${reason}`)).toEqual(["4 no_right_row"]);
  });

  test.each([
    ["empty.json", "", "empty_file", "holds no records"],
    ["empty.jsonl", "\n\n", "empty_file", "holds no records"],
    ["broken.json", '[\n{"prompt": "q"},\n{"prompt" "r"}]', "broken_json", "broken.json, line 3, column 11"],
    ["useless.jsonl", '{"question": 1}\n', "no_usable_records", 'the first: fields "question" are neither'],
    ["other.json", '{"name": "x"}', "no_records", "no list of records"],
  ])("%s is refused", async (name, text, code, message) => {
    const error = await readPairs(await file(name, text)).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code, message: expect.stringContaining(message) });
  });

  test("a missing file, and a folder as input, are refused", async () => {
    await expect(readPairs(join(dir, "none.json"))).rejects.toThrow(
      `there is no such file (${join(dir, "none.json")})`,
    );
    await expect(readPairs(dir)).rejects.toThrow("not a file");
  });
});

describe("loading for a run", () => {
  test("a folder without eval.jsonl has no evaluation pairs, and one without train.jsonl is refused", async () => {
    await prepareData({
      input: await file("one.jsonl", lines([pair(1)])),
      output: join(dir, "one"),
      evalFraction: 0.1,
      seed: 1,
    });
    expect(await loadPairs(join(dir, "one"), "eval")).toEqual({ pairs: [], dropped: [] });
    expect((await loadPairs(join(dir, "one"))).pairs).toEqual([pair(1)]);
    await expect(loadPairs(dir)).rejects.toThrow("npm run prepare-data -- --input FILE --output");
    await expect(loadPairs(join(dir, "nowhere"))).rejects.toThrow("no such data file or folder");
  });

  test("a file is all training data", async () => {
    const path = await file("direct.jsonl", lines([pair(1), pair(2)]));
    expect((await loadPairs(path)).pairs).toHaveLength(2);
    expect(await loadPairs(path, "eval")).toEqual({ pairs: [], dropped: [] });
  });
});

const real = join(root, "../shared/data");
describe.skipIf(!existsSync(real))("public data beside the repository (skipped where it is absent)", () => {
  test("all GSM8K model pairs are read", async () => {
    const { pairs, dropped } = await readPairs(join(real, "gsm8k_model_pairs.jsonl"));
    expect([pairs.length, dropped.length]).toEqual([731, 0]);
  });

  test("PRM800K makes pairs of every record with a right solution and a rejected step", async () => {
    const { pairs, dropped, recordsRead } = await readPairs(join(real, "prm800k_phase1_test.jsonl"));
    expect(recordsRead).toBe(106);
    expect(new Set(pairs.map(({ prompt }) => prompt)).size + dropped.length).toBe(106);
    expect(pairs.every(({ rejected_labels }) => rejected_labels?.at(-1) === 0)).toBe(true);
  });
});
