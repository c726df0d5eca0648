import { Command } from "commander";
import { expect, test } from "vitest";
import { givenOptions, optionsOver, wholeNumber, wordsOf } from "../../scripts/flags.ts";

interface Options {
  steps: number;
  seed: number;
  endpoint?: string[];
  scores: boolean;
}

function command(...words: string[]): Command {
  return new Command()
    .exitOverride()
    .configureOutput({ writeErr: () => {} })
    .option("--steps <n>", "", wholeNumber(1), 4000)
    .option("--seed <n>", "", wholeNumber(0), 42)
    .option("--endpoint <url>", "", (url: string, before: string[] | undefined) => [...(before ?? []), url])
    .option("--no-scores", "")
    .parse(words, { from: "user" });
}

test("only what the command line names was given", () => {
  expect(givenOptions(command("--seed", "7"))).toEqual({ seed: 7 });
  expect(givenOptions(command("--seed", "7", "--no-scores"), ["seed"])).toEqual({ scores: false });
});

test("what is said now beats the words of before, which beat the defaults; lists are not joined", () => {
  const now = command("--seed", "7", "--endpoint", "c");
  const before = ["--steps", "9", "--seed", "8", "--endpoint", "a", "--endpoint", "b", "--no-scores"];
  expect(optionsOver<Options>(now, before)).toEqual({ seed: 7, steps: 9, endpoint: ["c"], scores: false });
  expect(optionsOver<Options>(command(), before).endpoint).toEqual(["a", "b"]);
});

test("saved settings become words, those of no option are left out, and their ranges are checked again", () => {
  const now = command();
  expect(wordsOf(now, { steps: 9, model_dir: "x", seed: null })).toEqual(["--steps=9"]);
  expect(() => optionsOver<Options>(now, wordsOf(now, { steps: 0 }))).toThrow(/Give a whole number of at least 1/);
});
