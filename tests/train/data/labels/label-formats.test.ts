// Step labels of every format, held to small records written by hand after each data set's own description.

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readRecord } from "../../../../src/train/data/formats/read-record.ts";
import { labelsOfRecord } from "../../../../src/train/data/labels/labels-of-record.ts";
import { labelFiles, readStepLabels } from "../../../../src/train/data/labels/read-labels.ts";

/** Steps with their labels, as one readable line each. */
function read(record: unknown): string[] {
  return labelsOfRecord(readRecord(record).parsed).map(({ prompt, steps, labels }) =>
    [prompt, ...steps.map((step, i) => `${step} [${labels[i] ?? "-"}]`)].join(" | "),
  );
}

describe("TRL's stepwise rows", () => {
  test("labels are true, false, chances, or none", () => {
    const labels = [true, false, 0.25, null, -100];
    expect(read({ prompt: "q", completions: ["a", "b", "c", "d", "e"], labels })).toEqual([
      "q | a [1] | b [0] | c [0.25] | d [-] | e [-]",
    ]);
  });

  test("of a text of several lines the last has the label; those before are right only where all is", () => {
    expect(read({ prompt: "q", completions: ["a\nb", "c\n\n d"], labels: [true, false] })).toEqual([
      "q | a [1] | b [1] | c [-] | d [0]",
    ]);
  });

  test.each([
    [{ prompt: "q", completions: ["a"], labels: [true, true] }, '"labels" has 2 labels for 1 steps'],
    [
      { prompt: "q", completions: ["a"], labels: [2] },
      'field "labels.0": a label is true, false, a number from 0 to 1',
    ],
    [{ prompt: "q", completions: "a", labels: [1] }, 'field "completions"'],
  ])("%j is refused", (record, message) => {
    expect(() => read(record)).toThrow(message);
  });
});

describe("pairs", () => {
  test("both sides with labels are solutions; later steps keep the labels they are given", () => {
    const pair = { prompt: "q", chosen: "a\nb", rejected: "a\nc\nd" };
    expect(read({ ...pair, chosen_labels: [true, true], rejected_labels: [true, false, false] })).toEqual([
      "q | a [1] | b [1]",
      "q | a [1] | c [0] | d [0]",
    ]);
    expect(read({ ...pair, rejected_labels: [true, false, null] })).toEqual(["q | a [1] | c [0] | d [-]"]);
  });

  test("a shared prefix is read and not labelled, unless the labels cover it", () => {
    const pair = { prompt: "q", prefix: "a\nb", chosen: "c", rejected: "d" };
    expect(read({ ...pair, chosen_labels: [1], rejected_labels: [1, 1, 0] })).toEqual([
      "q | a [-] | b [-] | c [1]",
      "q | a [1] | b [1] | d [0]",
    ]);
  });

  test("a pair without labels is refused", () => {
    expect(() => read({ prompt: "q", chosen: "a", rejected: "b" })).toThrow('neither "chosen_labels" nor');
  });
});

test("rollouts: every sample with labels is a solution", () => {
  const samples = [
    { completion: "a\nb", step_labels: [true, false], score: 0.2 },
    { completion: "", step_labels: [] },
    { completion: "c" },
    { completion: "d\ne", soft_labels: [0.75, 0] },
  ];
  expect(read({ prompt: "q", samples })).toEqual(["q | a [1] | b [0]", "q | d [0.75] | e [0]"]);
});

describe("PRM800K", () => {
  const step = (completions: [string, number | null][], chosen: number | null, human?: string) => ({
    completions: completions.map(([text, rating]) => ({ text, rating, flagged: null })),
    chosen_completion: chosen,
    human_completion: human === undefined ? null : { text: human },
  });

  test("the path is one solution, each other rated completion another; 0 is no label", () => {
    const steps = [
      step([["a", 1], ["x", -1]], 0), // biome-ignore format: one step a line
      step([["b", 0], ["y", 1], ["z", 0]], 0), // biome-ignore format: one step a line
      step([["w", -1]], null, "c"),
      step([["end", 1]], 0),
    ];
    expect(read({ question: { problem: "q" }, label: { steps, finish_reason: "solution" } })).toEqual([
      "q | a [1] | b [-] | c [1] | end [1]",
      "q | x [0]",
      "q | a [-] | y [1]",
      "q | a [-] | b [-] | w [0]",
    ]);
  });

  test("a labelling that ends at an error keeps what was labelled before it", () => {
    const steps = [step([["a", 1]], 0), step([["x", -1], ["y", -1]], null), step([["b", 1]], 0)]; // biome-ignore format: short
    expect(read({ question: { problem: "q" }, label: { steps, finish_reason: "found_error" } })).toEqual([
      "q | a [1]",
      "q | a [-] | x [0]",
      "q | a [-] | y [0]",
    ]);
  });

  test("a bad problem is refused", () => {
    const label = { steps: [], finish_reason: "bad_problem" };
    expect(() => read({ question: { problem: "q" }, label })).toThrow('finish_reason is "bad_problem"');
  });
});

describe("Math-Shepherd", () => {
  const input = "How many? Step 1: 2 + 2 = 4 ки\nStep 2: 4 + 1 = 6 ки\nStep 3: The answer is: 6 ки";

  test("the sign in a tag's place is the label of the step before it", () => {
    const label = "How many? Step 1: 2 + 2 = 4 +\nStep 2: 4 + 1 = 6 -\nStep 3: The answer is: 6 -";
    expect(read({ input, label, task: "GSM8K" })).toEqual([
      "How many? | Step 1: 2 + 2 = 4 [1] | Step 2: 4 + 1 = 6 [0] | Step 3: The answer is: 6 [0]",
    ]);
  });

  test.each([
    ["How many? Step 1: 2 + 2 = 4 +\nStep 2: 4 + 1 = 6", 'no + or - where "input" has its step tag 2'],
    ["another text +", 'no + or - where "input" has its step tag 1'],
  ])("a label that does not follow the input (%j) is refused", (label, message) => {
    expect(() => read({ input, label })).toThrow(message);
  });
});

test("ProcessBench: right before the first wrong step, nothing known after it", () => {
  expect(read({ problem: "q", steps: ["a", "b", "c"], label: 1 })).toEqual(["q | a [1] | b [0] | c [-]"]);
  expect(read({ problem: "q", steps: ["a", "b"], label: -1 })).toEqual(["q | a [1] | b [1]"]);
});

describe("files", () => {
  let dir = "";
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), "step-labels-"));
  });
  afterAll(() => rm(dir, { recursive: true, force: true }));

  const write = async (name: string, rows: unknown[]): Promise<string> => {
    const path = join(dir, name);
    await writeFile(path, rows.map((row) => (typeof row === "string" ? row : JSON.stringify(row))).join("\n"));
    return path;
  };

  test("formats may be mixed, bad rows are left out with their place, equal solutions are one", async () => {
    const path = await write("mixed.jsonl", [
      { prompt: "q", completions: ["a", "b"], labels: [1, null] },
      "not json",
      { prompt: "q", completions: ["a", "b"], labels: [0, 1] },
      { problem: "p", steps: ["a"], label: 0 },
      { prompt: "q", completions: ["a"], labels: [null] },
    ]);
    const { solutions, dropped } = await readStepLabels(path);
    expect(solutions).toEqual([
      { prompt: "q", steps: ["a", "b"], labels: [1, 1] },
      { prompt: "p", steps: ["a"], labels: [0] },
    ]);
    expect(dropped.map(({ where, reason }) => `${where.slice(dir.length + 1)} ${reason}`)).toEqual([
      "mixed.jsonl:2 broken_json",
      "mixed.jsonl:5 no_labels",
    ]);
  });

  test("a file without one labelled step is refused, with the first reason", async () => {
    const path = await write("none.jsonl", [{ prompt: "q", chosen: "a", rejected: "b" }]);
    await expect(readStepLabels(path)).rejects.toThrow(
      `none of 1 records has step labels; the first: neither "chosen_labels" nor "rejected_labels" is there (${path}:1)`,
    );
  });

  test("of a folder, the steps of a rollout come before prepared pairs", async () => {
    await expect(labelFiles(dir)).rejects.toThrow("neither steps.jsonl nor train.jsonl");
    const [train, evaluation] = [await write("train.jsonl", [{}]), await write("eval.jsonl", [{}])];
    expect(await labelFiles(dir)).toEqual({ train, eval: evaluation });
    const steps = await write("steps.jsonl", [{}]);
    expect(await labelFiles(dir)).toEqual({ train: steps });
    await expect(labelFiles(join(dir, "no"))).rejects.toThrow("there is no such file or folder");
  });
});
