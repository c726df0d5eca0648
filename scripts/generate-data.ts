// npm run generate-data: writes word problems with right and wrong solutions; exit 1 when the file cannot be written.

import { Command } from "commander";
import { datasetText, generateRecords } from "../src/train/data/arithmetic/dataset.ts";
import { DEFAULT_RANGE } from "../src/train/data/arithmetic/generate.ts";
import { MISTAKE_KINDS } from "../src/train/data/arithmetic/mistakes.ts";
import { writeText } from "../src/train/io/write-text.ts";
import { reportFailure } from "./cli.ts";
import { wholeNumber } from "./flags.ts";

const program = new Command("npm run generate-data --")
  .description(
    "Write multi-step arithmetic word problems, each with a right and a plausibly wrong solution and the labels of their steps.\n" +
      "The same seed writes the same file, byte for byte.",
  )
  .option("--output <file>", "JSON file to write", "data/raw/synthetic_prm.json")
  .option("--problems <n>", "number of problems, all different", wholeNumber(1, 200_000), 2400)
  .option("--min-steps <n>", "fewest steps of a problem", wholeNumber(1), DEFAULT_RANGE.minSteps)
  .option("--max-steps <n>", "most steps of a problem, at most 12", wholeNumber(1), DEFAULT_RANGE.maxSteps)
  .option("--seed <n>", "seed of the random numbers", wholeNumber(0, 2 ** 32 - 1), 42)
  .allowExcessArguments(false)
  .parse();
interface Flags {
  output: string;
  problems: number;
  minSteps: number;
  maxSteps: number;
  seed: number;
}
const { output, problems, minSteps, maxSteps, seed } = program.opts<Flags>();

try {
  const records = generateRecords(problems, seed, { minSteps, maxSteps });
  await writeText(output, datasetText(records, seed));
  console.log(`${records.length} problems written to ${output} (seed ${seed})`);
  for (const kind of MISTAKE_KINDS) {
    console.log(`  ${kind.padEnd(16)} ${records.filter((record) => record.error_kind === kind).length}`);
  }
} catch (error) {
  reportFailure(error);
}
