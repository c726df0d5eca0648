// npm run prepare-data: raw data to preference pairs; exit 1 when the file is bad or nothing in it can be used.

import { Command } from "commander";
import { type PrepareOptions, prepareData } from "../src/train/data/pairs/prepare.ts";
import { prepareSummary } from "../src/train/data/pairs/prepare-summary.ts";
import { reportFailure } from "./cli.ts";
import { fraction, wholeNumber } from "./flags.ts";

const program = new Command("npm run prepare-data --")
  .description(
    "Convert raw preference data to DPO pairs: DIR/train.jsonl, DIR/eval.jsonl and DIR/report.json.\n\n" +
      "Input is JSON or JSON Lines; each record may be\n" +
      "  pair          prompt, chosen, rejected [, chosen_score, rejected_score]\n" +
      "  step pair     the same with prefix (or initial_reason_steps): steps that both sides continue\n" +
      "  stepwise row  prompt, completions[], labels[]; paired by prompt\n" +
      "  PRM800K       question.problem, label.steps[].completions[].rating\n" +
      "  Math-Shepherd input, label; paired by prompt\n\n" +
      "Steps are the lines of a completion. A bad record is reported with its place and dropped; a bad file is an error.",
  )
  .option("--input <file>", "data to convert", "data/raw/synthetic_prm.json")
  .option("--output <dir>", "folder to write to", "data/dpo")
  .option("--eval-fraction <x>", "part of the prompts kept for evaluation", fraction(0, 1), 0.1)
  .option("--seed <n>", "seed of the split", wholeNumber(0, 2 ** 32 - 1), 42)
  .option("--max-pairs <n>", "keep at most so many pairs, drawn at random", wholeNumber(1))
  .allowExcessArguments(false)
  .parse();

try {
  const options = program.opts<PrepareOptions>();
  const report = await prepareData(options);
  console.log(prepareSummary(report, options.output));
} catch (error) {
  reportFailure(error);
}
