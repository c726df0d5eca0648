// The page's own sums, without a browser: steps and tokens, alignment, bins, files, what an address holds, what is copied.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readPairFile } from "../../src/playground/api/pair-file.ts";
import { agree } from "../../src/playground/local/gpu/agree.ts";
import { csvOf } from "../../src/playground/state/csv.ts";
import { pack, unpack } from "../../src/playground/state/pack.ts";
import { snippetsOf } from "../../src/playground/state/snippets.ts";
import { alignSteps, firstWrongStep, preferenceOf } from "../../src/playground/steps/compare-parts.ts";
import { aggregateOf, partsOf, type StepPart, withScore } from "../../src/playground/steps/scored-text.ts";

const token = (text: string) => ({ text, logprob: -1, top: [] });
const part = (text: string, score: number | null = null): StepPart => ({ text, score, tokens: [] });

describe("a completion's parts", () => {
  test("a token belongs to the step that it writes; a newline to the step that it ends", () => {
    const tokens = ["", "1", " + 1", "\n", "A", ": 2", ""].map(token);
    const parts = partsOf({ text: "1 + 1\nA: 2", from: 0, tokens, scores: [0.5] });
    expect(parts.map(({ text, score }) => [text, score])).toEqual([
      ["1 + 1", 0.5],
      ["A: 2", null],
    ]);
    expect(parts.map((each) => each.tokens.map(({ text }) => text))).toEqual([
      ["", "1", " + 1", "\n"],
      ["A", ": 2", ""],
    ]);
  });

  test("what was given has no tokens", () => {
    const parts = partsOf({ text: "given\nnew", from: 6, tokens: [token("ne"), token("w")], scores: [] });
    expect(parts.map((each) => each.tokens.map(({ text }) => text))).toEqual([[], ["ne", "w"]]);
  });

  test("tokens are shared out among the steps: none is lost, none is there twice", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom("a", "b ", "\n", "", " c\n"), { maxLength: 20 }), (texts) => {
        const tokens = texts.map((text, id) => ({ ...token(text), logprob: id }));
        const parts = partsOf({ text: texts.join(""), from: 0, tokens, scores: [] });
        const used = parts.flatMap((each) => each.tokens.map(({ logprob }) => logprob));
        expect(new Set(used).size).toBe(used.length);
        for (const each of parts) expect(each.tokens.map(({ text }) => text).join("")).toContain(each.text.trim());
      }),
    );
  });

  test("an aggregate waits for the last score", () => {
    expect(aggregateOf([0.5, null], "mean")).toBeNull();
    expect(aggregateOf([], "mean")).toBeNull();
    expect(aggregateOf([0.5, 0.25], "prod")).toBe(0.125);
    expect(withScore({ text: "a\nb", from: 0, tokens: [], scores: [] }, 1, 0.75).scores).toEqual([null, 0.75]);
  });
});

describe("two completions", () => {
  test("equal steps stand beside each other, others are paired in order", () => {
    const rows = alignSteps(
      ["a", "b", "x", "c"].map((text) => part(text)),
      ["a", "y", "c", "d"].map((text) => part(text)),
    );
    expect(rows.map(({ left, right, same }) => [left?.part.text, right?.part.text, same])).toEqual([
      ["a", "a", true],
      ["b", "y", false],
      ["x", undefined, false],
      ["c", "c", true],
      [undefined, "d", false],
    ]);
  });

  test("every step is there once, in order", () => {
    const list = fc.array(fc.constantFrom("a", "b", "c"), { maxLength: 8 });
    fc.assert(
      fc.property(list, list, (left, right) => {
        const rows = alignSteps(
          left.map((text) => part(text)),
          right.map((text) => part(text)),
        );
        expect(rows.flatMap((row) => row.left?.part.text ?? [])).toEqual(left);
        expect(rows.flatMap((row) => row.right?.part.text ?? [])).toEqual(right);
        for (const row of rows) expect(row.same).toBe(row.same && row.left?.part.text === row.right?.part.text);
      }),
    );
  });

  test("the first step below one half is wrong; a margin is the difference of the aggregates; equal ones prefer neither", () => {
    const [left, right] = [
      [part("a", 0.9), part("b", 0.7)],
      [part("a", 0.9), part("c", 0.3), part("d", 0.1)],
    ];
    expect([firstWrongStep(left), firstWrongStep(right)]).toEqual([undefined, 1]);
    expect(preferenceOf(left, right, "min")).toEqual({ preferred: "left", margin: 0.7 - 0.1 });
    expect(preferenceOf(left, left, "mean")).toEqual({ preferred: "neither", margin: 0 });
    expect(preferenceOf(left, [part("a")], "mean")).toBeUndefined();
  });
});

describe("a file of pairs", () => {
  test("CSV with quotes and newlines, and JSONL with the same, read alike; names of scores as in docs/data.md", () => {
    const csv = 'prompt,chosen,rejected,score_chosen,score_rejected\r\n"say ""hi""","a\nb",c,0.5,\r\n';
    const jsonl = `${JSON.stringify({ prompt: 'say "hi"', chosen: "a\nb", rejected: "c", chosen_reward: 0.5 })}\n`;
    const wanted = { prompt: 'say "hi"', chosen: "a\nb", rejected: "c", chosenScore: 0.5, rejectedScore: null };
    expect(readPairFile(csv).records[0]).toMatchObject(wanted);
    expect(readPairFile(jsonl).records[0]).toMatchObject(wanted);
  });

  test("a record that is no pair is named by its line, and stops nothing", () => {
    const good = JSON.stringify({ prompt: "p", chosen: "c", rejected: "r" });
    const { records, faults } = readPairFile(`${good}\n{"prompt":\n\n{"prompt": "p", "chosen": " "}\n${good}`);
    expect(records.map(({ line }) => line)).toEqual([1, 5]);
    expect(faults).toEqual([
      { line: 2, what: "is not JSON" },
      { line: 4, what: 'has no text in "chosen", "rejected"' },
    ]);
  });

  test("records that are no pairs are all counted, the first hundred named", () => {
    const good = JSON.stringify({ prompt: "p", chosen: "c", rejected: "r" });
    const { faults, faultCount } = readPairFile(`${good}\n${"{\n".repeat(250)}`);
    expect([faults.length, faultCount]).toEqual([100, 250]);
  });

  test("a text that a spreadsheet would run is saved as a text, numbers as they are", async () => {
    const records = [
      { prompt: '=HYPERLINK("http://x")', margin: -0.5 },
      { prompt: "-1+2", margin: null },
      { prompt: "a\nb", margin: 1 },
    ];
    expect(await csvOf(records, ["prompt", "margin"])).toBe(
      `prompt,margin\n"'=HYPERLINK(""http://x"")",-0.5\n'-1+2,\n"a\nb",1\n`,
    );
  });

  test.each(["", "a,b\n1,2\n", "%PDF-1.4 ..."])("a file without a pair is refused: %j", (text) => {
    expect(() => readPairFile(text)).toThrow(/no pair in this file|neither JSON lines nor CSV/);
  });
});

test("a GPU agrees with the processor within 0.001 of every number; with none, a missing one or no number it does not", () => {
  expect(agree([-1.5, 0.2005], [-1.5, 0.2])).toBe(true);
  for (const wrong of [[-1.5, 0.202], [-1.5, Number.NaN], [-1.5], [-1.5, 0.2, 0], []]) {
    expect(agree(wrong, [-1.5, 0.2])).toBe(false);
  }
  expect(agree([], [])).toBe(false);
  expect(agree([1], [Number.NaN])).toBe(false);
});

test("an address gives back what was put into it, and nothing for anything else", async () => {
  await fc.assert(
    fc.asyncProperty(fc.jsonValue(), async (value) => {
      const packed = await pack(JSON.stringify(value));
      expect(packed).toMatch(/^[\w-]*$/);
      expect(JSON.stringify(await unpack(packed))).toBe(JSON.stringify(value));
    }),
    { numRuns: 30 },
  );
  for (const wrong of ["", "!", "abcd", "x".repeat(99)]) expect(await unpack(wrong)).toBeUndefined();
  // a bomb of zeros is cut off
  expect(await unpack(await pack(`"${"0".repeat(5_000_000)}"`))).toBeUndefined();
});

test("what is copied never holds a key, only the name of its variable", () => {
  const body = { inputs: "it's a question", parameters: { max_new_tokens: 9 } };
  for (const { code } of snippetsOf("http://host", body, true)) expect(code).toContain("STEPWISE_API_KEY");
  const [curl] = snippetsOf("http://host", body, false);
  expect(curl?.code).not.toContain("STEPWISE_API_KEY");
  expect(curl?.code).toContain(`it'\\''s a question`);
});
