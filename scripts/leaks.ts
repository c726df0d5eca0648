// npm run leaks: how many held-out problems equal one of another split up to persons and things, or up to numbers too.

import { Command } from "commander";
import { countLeaks, LIKENESSES } from "../src/train/data/arithmetic/likeness.ts";
import { reportFailure } from "./cli.ts";
import { wholeNumber } from "./flags.ts";

interface Flags {
  problems: number;
  pretraining: number;
  preference: number;
  seed: number;
}

const flags = new Command("npm run leaks --")
  .description(
    "Count held-out problems that equal a problem of another split up to persons and things, or numbers too.",
  )
  .option("--problems <n>", "held-out problems", wholeNumber(1, 100_000), 1000)
  .option("--pretraining <n>", "pretraining problems drawn beside them", wholeNumber(1, 1_000_000), 100_000)
  .option("--preference <n>", "preference problems drawn beside them", wholeNumber(1, 100_000), 3000)
  .option("--seed <n>", "seed of the held-out problems", wholeNumber(0), 3000)
  .allowExcessArguments(false)
  .parse()
  .opts<Flags>();

try {
  const percent = (part: number, of: number): string => `${((100 * part) / of).toFixed(1)} %`;
  for (const [other, others] of [
    ["pretrain", flags.pretraining],
    ["preference", flags.preference],
  ] as const) {
    const splits = { split: "heldout", other } as const;
    const found = countLeaks(splits, { problems: flags.problems, others, seed: flags.seed, otherSeed: 42 });
    console.log(`${found.problems} held-out problems beside ${others} of the split "${other}":`);
    for (const likeness of LIKENESSES) {
      const what = likeness === "names" ? "persons and things" : "persons, things and numbers";
      console.log(`  equal to one of them up to ${what}: ${percent(found.alike[likeness], found.problems)}`);
    }
    for (const [steps, own] of Object.entries(found.bySteps))
      console.log(`    of ${steps} steps: ${percent(own.names, own.problems)}, ${percent(own.numbers, own.problems)}`);
  }
} catch (error) {
  reportFailure(error);
}
