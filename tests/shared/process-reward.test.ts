// Where a process reward model answers: the token layout against ids counted by hand, and tokenizers that cannot give one.

import { expect, test } from "vitest";
import { withNewlineToken } from "../../src/shared/newline-token.ts";
import { layoutSolution, parseRewardModelFile } from "../../src/shared/process-reward.ts";
import { createTokenizer } from "../../src/shared/tokenizer.ts";
import { specials, t5TokenizerJson } from "../t5-tokenizer.ts";

const PIECES = ["<pad>", "</s>", "<unk>", "▁", "▁yes", "▁no", "▁a", "▁b", "▁c"]; // ids 0 to 8; the newline becomes 9
const stock = t5TokenizerJson(
  PIECES.map((piece, id): [string, number] => [piece, id < 3 ? 0 : -3]),
  specials("<pad>", "</s>", "<unk>"),
);
const tokenizerConfig = { tokenizer_class: "T5Tokenizer", eos_token: "</s>", pad_token: "<pad>", unk_token: "<unk>" };
const tokenizer = createTokenizer(withNewlineToken(stock, 16), tokenizerConfig);
const config = { decoderStartTokenId: 0, eosTokenId: 1 };
const steps = (...texts: string[]) => texts.map((text) => ({ text }));

test("steps end at their newline, the last at </s>, one position after the start token", () => {
  expect(layoutSolution(tokenizer, config, "a b", steps("a b", "c", "b"))).toEqual({
    promptIds: [6, 7, 1],
    decoderIds: [0, 6, 7, 9, 8, 9, 7, 1],
    stepEnds: [3, 5, 7],
  });
});

test("a solution of one step ends at </s>", () => {
  expect(layoutSolution(tokenizer, config, "a", steps("b c"))).toMatchObject({
    decoderIds: [0, 7, 8, 1],
    stepEnds: [3],
  });
});

test("the start token is the config's", () => {
  const { decoderIds } = layoutSolution(tokenizer, { decoderStartTokenId: 5, eosTokenId: 1 }, "a", steps("b"));
  expect(decoderIds).toEqual([5, 7, 1]);
});

test("a line break inside a step is a space", () => {
  expect(layoutSolution(tokenizer, config, "a", steps(" b\r\n c ", "a"))).toEqual(
    layoutSolution(tokenizer, config, "a", steps("b c", "a")),
  );
});

test("no steps, no layout", () => {
  expect(() => layoutSolution(tokenizer, config, "a", [])).toThrow("a solution has no steps. Write one step a line.");
});

test("a tokenizer without a newline token is refused", () => {
  const plain = createTokenizer(stock, tokenizerConfig);
  expect(() => layoutSolution(plain, config, "a", steps("b", "c"))).toThrow("the tokenizer has no newline token");
});

test("reward_model.json is read strictly", () => {
  expect(parseRewardModelFile({ type: "process", template_version: "stepwise-1" })).toEqual({
    type: "process",
    template_version: "stepwise-1",
  });
  expect(() => parseRewardModelFile({ type: "process" }, "m/reward_model.json")).toThrow(
    /field "template_version": .* \(m\/reward_model.json\)\. Train the reward model again/,
  );
});
