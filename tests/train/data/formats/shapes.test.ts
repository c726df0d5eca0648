// Files of the shapes that data sets really have (tests/data, values of our own): the format that each is read as, and the pair it becomes.

import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { parseColumns, readOptions, readRecord } from "../../../../src/train/data/formats/read-record.ts";
import type { LabelledPair } from "../../../../src/train/data/labelled-pair.ts";
import { type PairOptions, readPairs } from "../../../../src/train/data/pairs/read-pairs.ts";
import { partsOfRecord } from "../../../../src/train/data/problems/parts-of-record.ts";

const file = (name: string): string => fileURLToPath(new URL(`../../../data/${name}`, import.meta.url));

const Q = "A farm has 6 hens and each lays 2 eggs. How many eggs are there?";
const Q2 = "And if 3 eggs break?";
const ONE = { prompt: Q, chosen: "6 * 2 = 12\nA: 12", rejected: "6 + 2 = 8\nA: 8" };
const TWO = { chosen: "12 - 3 = 9\nA: 9", rejected: "12 + 3 = 15\nA: 15" };
const DIALOGUE = `User: ${Q}\n\nAssistant: 6 * 2 = 12\nA: 12\n\nUser: ${Q2}\n\nAssistant:`;
const LABELS = { chosen_labels: [1, 1], rejected_labels: [0, 0] };

const SHAPES: [name: string, format: string, pair: LabelledPair, options?: PairOptions][] = [
  ["trl-preference.jsonl", "pairs", ONE],
  ["trl-conversational-explicit.jsonl", "conversations", { ...ONE, prompt: `Work step by step.\n\n${Q}` }],
  ["trl-conversational-implicit.jsonl", "conversations", { ...TWO, prompt: DIALOGUE }],
  [
    "trl-conversational-implicit.jsonl",
    "conversations",
    { ...TWO, prompt: DIALOGUE.replaceAll("User:", "Human:") },
    { chatTemplate: "transcript" },
  ],
  ["trl-conversational-implicit.jsonl", "conversations", { ...TWO, prompt: Q2 }, { chatTemplate: "last-turn" }],
  [
    "trl-conversational-explicit.jsonl",
    "conversations",
    {
      ...ONE,
      prompt: `<|im_start|>system\nWork step by step.<|im_end|>\n<|im_start|>user\n${Q}<|im_end|>\n<|im_start|>assistant`,
    },
    { chatTemplate: "chatml" },
  ],
  ["trl-unpaired.jsonl", "unpaired", ONE],
  ["trl-stepwise.jsonl", "stepwise", { ...ONE, ...LABELS }],
  ["trl-stepwise.parquet", "stepwise", { ...ONE, ...LABELS }],
  ["ultrafeedback-binarized.jsonl", "conversations", { ...ONE, chosen_score: 8.5, rejected_score: 4 }],
  ["anthropic-hh.jsonl", "transcripts", { ...TWO, prompt: DIALOGUE }],
  ["argilla-responses.jsonl", "responses", { ...ONE, chosen_score: 4.75, rejected_score: 2.5 }],
  ["argilla-cleaned.jsonl", "conversations", { ...ONE, chosen_score: 5, rejected_score: 1 }],
  ["distilabel-dpo.jsonl", "conversations", { ...ONE, chosen_score: 4, rejected_score: 2 }],
  ["orca-dpo.jsonl", "pairs", { ...ONE, prompt: `You are careful.\n\n${Q}` }],
  ["ms-swift-query.jsonl", "ms_swift", { ...TWO, prompt: `You are careful.\n\n${DIALOGUE}` }],
  ["ms-swift-messages.jsonl", "ms_swift", ONE],
  ["sharegpt-ranking.jsonl", "conversations", ONE],
  [
    "step-dpo.jsonl",
    "step_pairs",
    {
      prompt: Q,
      prefix: "6 hens lay 2 eggs each.",
      chosen: "Step 2: 6 * 2 = 12",
      rejected: "Step 2: 6 + 2 = 8",
      unfinished: true,
    },
  ],
  [
    "math-shepherd.jsonl",
    "math_shepherd",
    {
      prompt: Q,
      chosen: "Step 1: 6 * 2 = 12\nStep 2: The answer is: 12",
      rejected: "Step 1: 6 + 2 = 8\nStep 2: The answer is: 8",
      ...LABELS,
    },
  ],
  ["prm800k.jsonl", "prm800k", { ...ONE, rejected: "6 + 2 = 8", chosen_labels: [1, 1], rejected_labels: [0] }],
  [
    "custom-columns.jsonl",
    "pairs",
    ONE,
    { columns: parseColumns("prompt=task, chosen=answers.good, rejected=answers.bad") },
  ],
];

describe("a file of the shape of", () => {
  test.each(SHAPES)("%s is read as %s", async (name, format, pair, options = {}) => {
    const { pairs, formats, dropped } = await readPairs(file(name), options);
    expect(dropped).toEqual([]);
    expect(Object.keys(formats)).toEqual([format]);
    expect(pairs).toEqual([pair]);
  });

  test("prompts alone holds problems, and no pair", async () => {
    await expect(readPairs(file("trl-prompt-only.jsonl"))).rejects.toThrow("read as problems: a problem, and no two");
    const { format, parsed } = readRecord({ prompt: [{ role: "user", content: Q }] });
    expect(format).toBe("problems");
    expect(partsOfRecord(parsed)).toMatchObject([{ prompt: Q }]);
  });
});

const user = (content: string) => ({ role: "user", content });
const assistant = (content: string) => ({ role: "assistant", content });

describe("a conversation is left out", () => {
  const right = [user("q"), assistant("a")];
  test.each<[string, object, string, string]>([
    [
      "that ends in a user turn",
      { chosen: [...right, user("more?")], rejected: right },
      "ends_in_user_turn",
      '"chosen" ends in a user turn',
    ],
    [
      "with an unknown role",
      { chosen: [{ role: "narrator", content: "x" }, ...right], rejected: right },
      "unknown_role",
      '"chosen[0]" has the role "narrator"',
    ],
    [
      "whose sides answer different prompts",
      { chosen: right, rejected: [user("p"), assistant("b")] },
      "different_prompts",
      "differ at message 0, a user turn",
    ],
    [
      "whose prompt is not what its messages ask",
      { prompt: "other", chosen: right, rejected: [user("q"), assistant("b")] },
      "different_prompts",
      '"prompt" asks "other"',
    ],
    [
      "with an empty message",
      { chosen: [user(" "), assistant("a")], rejected: right },
      "empty_message",
      '"chosen[0]" is empty',
    ],
    [
      "whose sides part before the last answer",
      { chosen: [...right, user("r"), assistant("s")], rejected: [user("q"), assistant("b")] },
      "several_turns",
      "go different ways",
    ],
    [
      "that asks nothing",
      { chosen: [assistant("a")], rejected: [assistant("b")] },
      "no_prompt",
      "no message stands before",
    ],
    [
      "of plain texts without a prompt",
      { chosen: "The sky is blue.", rejected: "The sky is green." },
      "no_prompt",
      'there is no "prompt"',
    ],
    [
      "with pictures",
      { chosen: [user("q"), { role: "assistant", content: [{ type: "image" }] }], rejected: right },
      "bad_field",
      '"chosen[1]" has no text',
    ],
  ])("%s", (_, record, code, what) => {
    expect(() => readRecord(record)).toThrow(expect.objectContaining({ code, what: expect.stringContaining(what) }));
  });

  test("the common beginning is one of messages, never of characters in a turn", () => {
    const sides = { chosen: [user("q"), assistant("It is 4.")], rejected: [user("q"), assistant("It is 5.")] };
    expect(readRecord(sides).parsed).toMatchObject({ pair: { prompt: "q", chosen: "It is 4.", rejected: "It is 5." } });
  });
});

describe("settings of reading", () => {
  test("a forced format is taken whatever the shape, and says what it misses", () => {
    const record = { prompt: "p", chosen: "a", rejected: "b", completions: ["a"], labels: [true] };
    expect(readRecord(record).format).toBe("pairs");
    expect(readRecord(record, { format: "stepwise" })).toMatchObject({ format: "stepwise", parsed: { texts: ["a"] } });
    expect(() => readRecord({ prompt: "p" }, { format: "pairs" })).toThrow('field "chosen"');
    expect(() => readOptions({ format: "parquet" })).toThrow("Give one of rollouts, step_pairs,");
  });

  test("a column map that names a missing column says which columns there are", () => {
    expect(() => readRecord({ q: 1, good: "a" }, { columns: { chosen: "better" } })).toThrow(
      'no column "better" (for "chosen"); the record has q, good',
    );
    expect(() => parseColumns("prompt")).toThrow('"prompt" is not NAME=COLUMN (--columns). Write --columns');
  });

  test("a label of -100 or null is none in every view: a row of right and unlabelled steps is neither right nor wrong", async () => {
    const { format, parsed } = readRecord({ prompt: "p", completions: ["a", "b"], labels: [true, -100] });
    expect(format).toBe("stepwise");
    expect(parsed).toMatchObject({ labels: [1, undefined] });
    expect(readRecord({ ...ONE, chosen_labels: [null, -100] }).parsed).toMatchObject({
      pair: { chosen_labels: [undefined, undefined] },
    });
  });
});
