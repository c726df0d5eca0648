// A stock T5 tokenizer has no newline: it is given one, in the first free row of the embedding, and text keeps its lines.

import { beforeAll, describe, expect, test } from "vitest";
import { withNewlineToken } from "../../../src/shared/newline-token.ts";
import { createTokenizer, type TextTokenizer } from "../../../src/shared/tokenizer.ts";
import { specials, t5TokenizerJson } from "../../t5-tokenizer.ts";

const pieces = ["<pad>", "</s>", "<unk>", "▁", ..."abcyesno123+=", "▁yes", "▁no"];

/** Like a stock T5's: 18 pieces or so, two <extra_id> tokens above them, no newline. */
function stockTokenizer(): Record<string, unknown> {
  const vocab = [...new Set(pieces)].map((piece, i): [string, number] => [piece, i < 3 ? 0 : -3]);
  const added = [
    ...specials("<pad>", "</s>", "<unk>"),
    { id: vocab.length, content: "<extra_id_1>" },
    { id: vocab.length + 1, content: "<extra_id_0>" },
  ];
  // as T5's precompiled map does: a newline counts as a space
  const normalizer = { type: "Replace", pattern: { Regex: "\\s+" }, content: " " };
  return t5TokenizerJson(vocab, added, { normalizer });
}
const config = {
  tokenizer_class: "T5Tokenizer",
  eos_token: "</s>",
  pad_token: "<pad>",
  unk_token: "<unk>",
  extra_ids: 2,
};
const top = new Set(pieces).size + 2;

describe("a newline token", () => {
  let stock: TextTokenizer;
  let mended: TextTokenizer;
  beforeAll(() => {
    stock = createTokenizer(stockTokenizer(), config);
    mended = createTokenizer(withNewlineToken(stockTokenizer(), 32), config);
  });

  test("is what the stock tokenizer lacks: lines become words", () => {
    expect(stock.decode(stock.encode("a\nb"))).toBe("a b");
  });

  test("takes the first id above all others", () => {
    expect(mended.encode("\n")).toContain(top);
    expect(mended.size).toBe(top + 1);
  });

  test.each(["a\nb", "1 + 2 = 3\nno\nyes", "a\n\nb", "abc"])("keeps %j as it is", (text) => {
    expect(mended.decode(mended.encode(text))).toBe(text);
  });

  test("leaves the ids of text without newlines alone", () => {
    expect(mended.encode("1 + 2 = 3 yes")).toEqual(stock.encode("1 + 2 = 3 yes"));
    expect([mended.yesTokenId, mended.noTokenId]).toEqual([stock.yesTokenId, stock.noTokenId]);
  });

  test("is added once: a tokenizer that has one stays as it is", () => {
    const once = withNewlineToken(stockTokenizer(), 32);
    expect(withNewlineToken(once, 32)).toBe(once);
  });

  test("does not change the JSON that was given", () => {
    const json = stockTokenizer();
    withNewlineToken(json, 32);
    expect(json).toEqual(stockTokenizer());
  });
});

describe("is refused", () => {
  test("where the embedding has no row left for it", () => {
    expect(() => withNewlineToken(stockTokenizer(), top, "m/tokenizer.json")).toThrow(
      `no embedding row is free for a newline token (tokenizer uses ${top}, model has ${top}) (m/tokenizer.json). Use a checkpoint`,
    );
  });

  test.each([[null], [{}], [{ added_tokens: [] }]])("for %j, which is no tokenizer", (json) => {
    expect(() => withNewlineToken(json, 32, "m/tokenizer.json")).toThrow(
      "no added_tokens and model (m/tokenizer.json)",
    );
  });
});
