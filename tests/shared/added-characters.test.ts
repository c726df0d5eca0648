// Characters that a vocabulary lacks: how many there are, and what becomes of texts once they have tokens of their own.

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { withCharacters } from "../../src/shared/added-characters.ts";
import { withNewlineToken } from "../../src/shared/newline-token.ts";
import { createTokenizer, type TextTokenizer } from "../../src/shared/tokenizer.ts";
import { commonestFirst, createUnknownCounter } from "../../src/shared/unknown-characters.ts";
import { joinSteps } from "../../src/train/data/labelled-solution.ts";

const beside = fileURLToPath(new URL("../../../shared", import.meta.url));
const folder = join(beside, "tokenizers/flan-t5");
const present = existsSync(join(folder, "tokenizer.json")) && existsSync(join(beside, "data/gsm8k_test.jsonl"));
if (!present) console.info("skipped: no tokenizer of flan-t5 and no GSM8K beside the repository");

const readJson = (path: string): unknown => JSON.parse(readFileSync(path, "utf8"));
const rows = (name: string): Record<string, string>[] =>
  readFileSync(join(beside, "data", name), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));

/** What T5's normalizer makes of a text before any token is looked up: NFKC, no zero-width characters, one space where there were several. */
const asT5Reads = (text: string): string =>
  text
    .normalize("NFKC")
    .replace(/[\u200b-\u200f\u2028\u2029\ufeff]/g, (character) => (/[\u2028\u2029]/.test(character) ? " " : ""))
    .replace(/[ \t]+/g, " ");

/** Texts as a run has them: steps without blank lines or spaces at their ends. */
const cleaned = (text: string): string => joinSteps([text]);

describe.skipIf(!present)("with flan-t5's tokenizer", () => {
  const config = present ? readJson(join(folder, "tokenizer_config.json")) : {};
  const json = present ? withNewlineToken(readJson(join(folder, "tokenizer.json")), 32_128) : {};
  const stock = (): TextTokenizer => createTokenizer(json, config);

  test("GSM8K (every twentieth row) has 1.9 % unknown tokens; with tokens for its characters it has none, and every text comes back", () => {
    const texts = ["gsm8k_train.jsonl", "gsm8k_test.jsonl"].flatMap((name) =>
      rows(name)
        .filter((_, i) => i % 20 === 0)
        .flatMap(({ question = "", answer = "" }) => [cleaned(question), cleaned(answer)]),
    );
    const before = createUnknownCounter(stock());
    for (const text of texts) before.add(text);
    const { tokens, unknown, characters } = before.counts;
    expect(unknown / tokens).toBeGreaterThan(0.019);
    expect(unknown / tokens).toBeLessThan(0.02);
    // a run of them is one token: "<<" is one
    const runs = new RegExp(`[${[...characters.keys()].join("").replace(/[\\\]^-]/g, "\\$&")}]+`, "g");
    expect(unknown).toBe(texts.reduce((sum, text) => sum + (text.normalize("NFKC").match(runs)?.length ?? 0), 0));
    expect(commonestFirst(characters)[0]?.[0]).toBe("<");
    const extended = createTokenizer(withCharacters(json, [...characters.keys()]).json, config);
    const after = createUnknownCounter(extended);
    const lost = texts.filter((text) => {
      after.add(text);
      return extended.decode(extended.encode(text)) !== asT5Reads(text);
    });
    expect(after.counts.unknown).toBe(0);
    expect(lost).toEqual([]);
  });

  test("PRM800K and LaTeX made at random come back, too", () => {
    const latex = [..."\\{}^~<>|_&$`"];
    const extended = createTokenizer(withCharacters(json, latex).json, config);
    for (const line of rows("prm800k_phase1_test.jsonl").filter((_, i) => i % 4 === 0)) {
      for (const text of JSON.stringify(line).match(/(?<="(?:text|problem)":)"(?:[^"\\]|\\.)*"/g) ?? []) {
        const own = cleaned(JSON.parse(text));
        expect(extended.decode(extended.encode(own))).toBe(asT5Reads(own));
      }
    }
    const part = fc.constantFrom(...("\\frac{1}{2} a^{n+1} <b> x~y \\le 3 _ & |z| $ ".match(/\\\w+|./g) ?? []));
    fc.assert(
      fc.property(fc.array(part, { maxLength: 40 }), (parts) => {
        const text = asT5Reads(cleaned(parts.join("")));
        expect(extended.decode(extended.encode(text))).toBe(text);
      }),
      { numRuns: 500 },
    );
  });

  test("ids of texts without new characters stay what they were; new ones are the next rows, after the newline's", () => {
    const { json: changed, ids } = withCharacters(json, ["<", "{", "<", "a"]);
    expect([...ids]).toEqual([
      ["<", 32_101],
      ["{", 32_102],
    ]);
    const extended = createTokenizer(changed, config);
    expect(extended.size).toBe(32_103);
    for (const text of ["a\nb", "Tom has 3 apples.", "yes"])
      expect(extended.encode(text)).toEqual(stock().encode(text));
    const [stockIds, ownIds] = [stock(), extended].map((tokenizer) => tokenizer.encode("3 < 4"));
    expect(stockIds).toContain(2);
    expect(ownIds).toContain(32_101);
    expect(stock().encode("3 } 4")).toEqual(stockIds);
    expect(extended.encode("3 <4")).not.toEqual(ownIds);
  });
});

const tiny = {
  added_tokens: [],
  normalizer: null,
  pre_tokenizer: { type: "Metaspace", replacement: "▁", prepend_scheme: "always" },
  post_processor: null,
  decoder: { type: "Metaspace", replacement: "▁", prepend_scheme: "always" },
  model: { type: "Unigram", unk_id: 0, vocab: [["<unk>", 0], ["▁", -1], ["a", -2], ["y", -2], ["n", -2]] }, // biome-ignore format: short
};

test("characters are counted each time, unknown tokens once a run; what is taken apart counts by its missing parts", () => {
  const counter = createUnknownCounter(createTokenizer(withNewlineToken(tiny, 8), {}));
  expect(counter.add("a<<a")).toBe(1);
  expect(counter.add("a")).toBe(0);
  expect(counter.add("½")).toBe(1);
  expect(commonestFirst(counter.counts.characters)).toEqual([["<", 2], ["1", 1], ["2", 1], ["⁄", 1]]); // biome-ignore format: short
});

test("a tokenizer of another kind is refused", () => {
  expect(() => withCharacters({ model: { type: "WordLevel", vocab: {} } }, ["<"], "m/tokenizer.json")).toThrow(
    "characters cannot be added to this tokenizer: its model is no unigram model (m/tokenizer.json)",
  );
});
