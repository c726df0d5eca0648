// What each format becomes, on small records written by hand.

import { describe, expect, test } from "vitest";
import { readRecord } from "../../../../src/train/data/formats/read-record.ts";
import type { LabelledPair } from "../../../../src/train/data/labelled-pair.ts";
import { pairRows, type RowPaired } from "../../../../src/train/data/pairs/pair-rows.ts";
import { pairsOfRecord, type SolutionRow } from "../../../../src/train/data/pairs/pairs-of-record.ts";
import { RowFile } from "../../../../src/train/data/pairs/row-file.ts";

const read = (record: unknown) => {
  const { format, parsed } = readRecord(record);
  return pairsOfRecord(parsed, format);
};
const pairsOf = (record: unknown): LabelledPair[] => read(record).pairs.map((pair) => pair());
const pairOf = (record: unknown): LabelledPair | undefined => pairsOf(record)[0];
function rowOf(record: unknown): SolutionRow {
  const { row } = read(record);
  if (row === undefined) throw new Error("no row");
  return row;
}

describe("plain pairs", () => {
  const pair = { prompt: "q", chosen: "a\nb", rejected: "c" };

  test("blank lines, spaces and carriage returns at line ends are dropped", () => {
    expect(pairOf({ prompt: " q ", chosen: "a \r\n\r\n b\n", rejected: "c" })).toEqual(pair);
  });

  test("given scores are taken under each of their names", () => {
    for (const [chosen, rejected] of [
      ["chosen_score", "rejected_score"],
      ["score_chosen", "score_rejected"],
      ["chosen_reward", "rejected_reward"],
    ] as const) {
      expect(pairOf({ ...pair, [chosen]: 0.75, [rejected]: -2 })).toEqual({
        ...pair,
        chosen_score: 0.75,
        rejected_score: -2,
      });
    }
  });

  test("labels are taken as booleans or numbers", () => {
    const parsed = pairOf({ ...pair, chosen_labels: [1, true], rejected_labels: [0] });
    expect(parsed).toEqual({ ...pair, chosen_labels: [1, 1], rejected_labels: [0] });
  });

  test.each([
    [{ ...pair, prompt: " " }, "empty_prompt"],
    [{ ...pair, chosen: "\n " }, "no_chosen_steps"],
    [{ ...pair, rejected: "" }, "no_rejected_steps"],
    [{ ...pair, rejected: "a\n\nb" }, "identical"],
    [{ ...pair, chosen_score: 1 }, "bad_score"],
    [{ ...pair, chosen_score: "1", rejected_score: "0" }, "bad_score"],
    [{ ...pair, chosen_labels: [true] }, "label_count"],
    [{ prompt: "q", chosen: "a" }, "bad_field"],
    [{ ...pair, chosen: [{ role: "user" }] }, "bad_field"],
  ])("%o is dropped as %s", (record, code) => {
    expect(() => pairOf(record)).toThrow(expect.objectContaining({ code }));
  });
});

/** Rows through the file that they wait in. */
async function paired(rows: readonly SolutionRow[]) {
  const file = new RowFile();
  try {
    for (const [i, row] of rows.entries()) await file.add({ ...row, where: `row ${i}` });
    const all: RowPaired[] = [];
    for await (const made of pairRows(file)) all.push(made);
    return {
      pairs: all.flatMap((made) => ("pair" in made ? [made] : [])),
      unpaired: all.flatMap((made) => ("error" in made ? [made] : [])),
    };
  } finally {
    await file.close();
  }
}

describe("stepwise rows", () => {
  const row = (completions: string[], labels: (boolean | number)[], prompt = "q") =>
    rowOf({ prompt, completions, labels });

  test("a wrong row is paired with the right row that goes with it longest", async () => {
    const short = row(["x", "y"], [true, true]);
    const close = row(["a", "b", "c"], [1, 1, 1]);
    const wrong = row(["a", "b", "d"], [1, 1, 0]);
    const { pairs, unpaired } = await paired([short, close, wrong]);
    expect(pairs.map(({ pair }) => pair())).toEqual([
      {
        prompt: "q",
        chosen: "a\nb\nc",
        rejected: "a\nb\nd",
        chosen_labels: [1, 1, 1],
        rejected_labels: [1, 1, 0],
      },
    ]);
    expect(unpaired.map(({ row: { where, ...row }, error }) => [row, error.code])).toEqual([[short, "no_wrong_row"]]);
  });

  test("rows of different prompts are not paired", async () => {
    const { pairs, unpaired } = await paired([row(["a"], [true], "p"), row(["b"], [false], "q")]);
    expect(pairs).toEqual([]);
    expect(unpaired.map(({ error }) => error.code).sort()).toEqual(["no_right_row", "no_wrong_row"]);
  });

  test("a right row that is only the start of the wrong one is not preferred to it", async () => {
    expect((await paired([row(["a"], [true]), row(["a", "b"], [true, false])])).pairs).toEqual([]);
  });

  test("a completion of two lines is two steps with the same label", () => {
    expect(row(["a\nb", "c"], [true, false])).toEqual({
      prompt: "q",
      steps: ["a", "b", "c"],
      labels: [1, 1, 0],
    });
  });

  test("a wrong number of labels is refused", () => {
    expect(() => row(["a", "b"], [true])).toThrow('"labels" has 1 labels for 2');
    expect(() => row([" "], [true])).toThrow("no step");
  });
});

describe("PRM800K", () => {
  const rated = (text: string, rating: number | null) => ({ text, rating, flagged: false });
  const record = (steps: object[], finish_reason = "solution") => ({
    question: { problem: "q" },
    label: { steps, finish_reason },
  });

  test("the path is the chosen, the human's, or the first positive completion; each step with a negative one makes a pair", () => {
    const steps = [
      { completions: [rated("bad 0", -1), rated("good 0", 1)], human_completion: null, chosen_completion: 1 },
      { completions: [rated("bad 1", -1)], human_completion: rated("human 1", null), chosen_completion: null },
      { completions: [rated("neutral 2", 0), rated("good 2", 1)], human_completion: null, chosen_completion: null },
    ];
    const chosen = { prompt: "q", chosen: "good 0\nhuman 1\ngood 2", chosen_labels: [1, 1, 1] };
    expect(pairsOf(record(steps))).toEqual([
      { ...chosen, rejected: "bad 0", rejected_labels: [0] },
      { ...chosen, rejected: "good 0\nbad 1", rejected_labels: [1, 0] },
    ]);
  });

  test("lines of one completion share its label", () => {
    const steps = [{ completions: [rated("ok", 1), rated("no\n\n# Answer\n\n3", -1)], chosen_completion: 0 }];
    expect(pairsOf(record(steps))[0]?.rejected_labels).toEqual([0, 0, 0]);
  });

  test.each([
    [record([{ completions: [rated("a", -1), rated("b", 1)], chosen_completion: 1 }], "give_up"), "unfinished"],
    [record([{ completions: [rated("a", -1), rated("b", 0)], chosen_completion: null }]), "no_path"],
    [record([{ completions: [rated("a", -1), rated("b", 1)], chosen_completion: 0 }]), "no_path"],
    [record([{ completions: [rated("a", 0), rated("b", 1)], chosen_completion: 1 }]), "nothing_rejected"],
    [{ question: { problem: "q" }, label: { steps: "none" } }, "bad_field"],
  ])("%o is dropped as %s", (value, code) => {
    expect(() => pairsOf(value)).toThrow(expect.objectContaining({ code }));
  });
});

describe("step-level pairs", () => {
  const own = { prompt: "q", prefix: " a \r\n\nb", chosen: "c", rejected: "d" };

  test("keep the shared steps as the prefix, cleaned as steps are", () => {
    expect(pairOf(own)).toEqual({ prompt: "q", prefix: "a\nb", chosen: "c", rejected: "d" });
  });

  test("of Math-Step-DPO-10K: the next step's header moves to the continuations, which do not end the solution", () => {
    const row = {
      dataset: "MATH",
      prompt: "q",
      initial_reason_steps: "Let's think step by step. \nStep 1: 2 + 2 = 4\nStep 2:",
      chosen: " 4 + 1 = 5",
      rejected: " 4 + 1 = 6",
      full_chosen: " 4 + 1 = 5\nStep 3: The answer is 5.",
      full_rejected: " 4 + 1 = 6\nStep 3: The answer is 6.",
      answer: "5",
    };
    expect(pairOf(row)).toEqual({
      prompt: "q",
      prefix: "Let's think step by step.\nStep 1: 2 + 2 = 4",
      chosen: "Step 2: 4 + 1 = 5",
      rejected: "Step 2: 4 + 1 = 6",
      unfinished: true,
    });
    const last = pairOf({ ...row, full_chosen: row.chosen, full_rejected: row.rejected });
    expect(last).not.toHaveProperty("unfinished");
  });

  test("at the first step, where nothing is shared, are plain pairs", () => {
    expect(pairOf({ ...own, prefix: null, initial_reason_steps: "" })).toEqual({
      prompt: "q",
      chosen: "c",
      rejected: "d",
    });
  });

  test.each([
    [{ ...own, chosen: " " }, "no_chosen_steps"],
    [{ ...own, rejected: "c" }, "identical"],
    [{ ...own, prefix: 3 }, "bad_field"],
  ])("%o is dropped as %s", (record, code) => {
    expect(() => pairOf(record)).toThrow(expect.objectContaining({ code }));
  });
});

describe("Math-Shepherd rows", () => {
  const input = "Tom has 2. How many? Step 1: 2 + 2 = 4 ки\nStep 2: The answer is: 5 ки";

  test("are stepwise rows: the question, the steps with their numbers, + for right", () => {
    const label = "Tom has 2. How many? Step 1: 2 + 2 = 4 +\nStep 2: The answer is: 5 -";
    expect(rowOf({ input, label })).toEqual({
      prompt: "Tom has 2. How many?",
      steps: ["Step 1: 2 + 2 = 4", "Step 2: The answer is: 5"],
      labels: [1, 0],
    });
  });

  test("with labels that do not fit the text are refused", () => {
    expect(() => rowOf({ input, label: "Tom has 2." })).toThrow(expect.objectContaining({ code: "label_count" }));
  });
});
