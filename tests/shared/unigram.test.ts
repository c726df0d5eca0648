// Our unigram model against the library's own, which it replaces.

import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Tokenizer } from "@huggingface/tokenizers";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { withNewlineToken } from "../../src/shared/newline-token.ts";
import { createTokenizer } from "../../src/shared/tokenizer.ts";
import { isUnigramConfig, UnigramModel } from "../../src/shared/unigram.ts";
import { specials, t5TokenizerJson } from "../t5-tokenizer.ts";

const TEXTS = [
  "Natalia sold clips to 48 of her friends in April, and then she sold half as many clips in May.",
  "3 + 4 = 7\n7 - 2 = 5\nA: 5",
  "  two  spaces, a\ttab, an umlaut ä, Ünïcödé, 日本語, an emoji 🧮🧮 and ½ of it ",
  "the quick brown fox jumps over the lazy dog ".repeat(12),
  "<pad></s> <unk> <extra_id_0>",
  "yes",
];

const json = (path: string): Record<string, unknown> => JSON.parse(readFileSync(path, "utf8"));
const nano = fileURLToPath(new URL("../../data/models/stepwise-t5-nano/", import.meta.url));
const flan = fileURLToPath(new URL("../../../shared/tokenizers/flan-t5/", import.meta.url));
if (!existsSync(flan)) console.info("skipped: no tokenizer of flan-t5 beside the repository");

describe.each([
  ["the tokenizer that ships", nano, false],
  ["flan-t5's tokenizer", flan, true],
] as const)("%s", (_, dir, addNewline) => {
  test.skipIf(!existsSync(dir))("gives the ids and the text that the library gives", () => {
    const plain = json(`${dir}tokenizer.json`);
    const tokenizerJson: unknown = addNewline ? withNewlineToken(plain, 32_128) : plain;
    const config = json(`${dir}tokenizer_config.json`);
    const theirs = new Tokenizer(Object(tokenizerJson), config);
    const ours = createTokenizer(tokenizerJson, config);
    const same = (text: string): void => {
      const { ids } = theirs.encode(text);
      expect(ours.encode(text)).toEqual(ids);
      const options = { skip_special_tokens: true, clean_up_tokenization_spaces: false };
      expect(ours.decode(ids)).toBe(theirs.decode(ids, options));
    };
    for (const text of TEXTS) same(text);
    fc.assert(fc.property(fc.string({ unit: "grapheme", minLength: 1, maxLength: 40 }), same), { numRuns: 60 });
    expect(ours.size).toBe(Math.max(...theirs.get_vocab().values()) + 1);
  });
});

test("the likeliest split wins, an unknown character costs ten below the least likely piece", () => {
  const vocab = [
    ["<unk>", 0],
    ["a", -1],
    ["b", -1],
    ["ab", -3],
    ["bc", -4],
    ["abc", -4.5],
  ] as const;
  const model = new UnigramModel({ type: "Unigram", unk_id: 0, vocab });
  expect(model.encode(["ab"])).toEqual(["a", "b"]); // -2 against -3
  expect(model.encode(["abc"])).toEqual(["abc"]); // -4.5 against a + bc = -5
  expect(model.encode(["a🧮b"])).toEqual(["a", "🧮", "b"]);
  expect(model.encode(["abd", "b"])).toEqual(["a", "b", "d", "b"]);
});

test("an added token is no piece of the model", () => {
  const tokens = specials("<pad>", "</s>", "<unk>");
  const pieces = [...tokens.map(({ content }) => content), "▁", "a", "x", "y"].map((piece): [string, number] => [
    piece,
    -1,
  ]);
  const tokenizer = createTokenizer(t5TokenizerJson(pieces, [...tokens, { id: 7, content: "xy", special: false }]), {});
  expect(tokenizer.encode("axy a")).toEqual(
    new Tokenizer(t5TokenizerJson(pieces, [...tokens, { id: 7, content: "xy", special: false }]), {}).encode("axy a")
      .ids,
  );
  expect(tokenizer.size).toBe(8);
});

test("a model of another kind is left to the library", () => {
  expect(isUnigramConfig({ type: "Unigram", unk_id: 0, vocab: [["<unk>", 0]] })).toBe(true);
  for (const model of [null, { type: "BPE", vocab: {} }, { type: "Unigram", unk_id: 1, vocab: [["a", 0]] }])
    expect(isUnigramConfig(model)).toBe(false);
});

test("a run of unknown characters is one piece, found in time linear in its length", () => {
  const tokenizer = createTokenizer(json(`${nano}tokenizer.json`), json(`${nano}tokenizer_config.json`));
  const cpuMs = (length: number): number => {
    const before = process.cpuUsage();
    // "▁", one unknown, "x", "</s>"
    for (let i = 0; i < 4; i++) expect(tokenizer.encode(`${"\u4e00".repeat(length)}x`)).toHaveLength(4);
    return process.cpuUsage(before).user / 1000;
  };
  cpuMs(4_000);
  // eight times the text costs 64 times as much where each character joins the run anew
  expect(cpuMs(64_000) / cpuMs(8_000)).toBeLessThan(24);
});
