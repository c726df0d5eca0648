// npm run prepare-data: raw data to preference pairs; exit 1 when the file is bad or nothing in it can be used.

import { Command } from "commander";
import { prepareData } from "../src/train/data/pairs/prepare.ts";
import { prepareSummary } from "../src/train/data/pairs/prepare-summary.ts";
import { endOnInterrupt, reportFailure } from "./cli.ts";
import { addDataFlags, type DataFlags, dataOptions } from "./data-flags.ts";
import { fraction, wholeNumber } from "./flags.ts";
import { hubDataFiles } from "./hub-data.ts";

const program = addDataFlags(
  new Command("npm run prepare-data --")
    .description(
      "Convert raw preference data to DPO pairs: DIR/train.jsonl, DIR/eval.jsonl and DIR/report.json.\n\n" +
        "Input is JSON, JSON Lines, CSV or TSV, each also as .gz, or Parquet; each record is taken by its own shape:\n" +
        "  pairs          prompt, chosen, rejected [, chosen_score, rejected_score]; texts, lists of messages or transcripts\n" +
        "  step pairs     the same with prefix (or initial_reason_steps): steps that both sides continue\n" +
        "  responses      instruction, chosen_response, rejected_response; query, response, rejected_response\n" +
        "  rows           prompt, completions[], labels[]; prompt, completion, label; Math-Shepherd; paired by prompt\n" +
        "  PRM800K        question.problem, label.steps[].completions[].rating\n" +
        "docs/data.md has all of them with an example each.\n\n" +
        "Steps are the lines of a completion. A bad record is reported with its place and dropped; a bad file is an error.",
    )
    .option(
      "--input <file|hub-id>",
      "data to convert: a file, or OWNER/NAME[@REVISION][:CONFIG][/SPLIT] on the Hub",
      "data/raw/synthetic_prm.json",
    )
    .option("--output <dir>", "folder to write to", "data/dpo")
    .option("--eval-fraction <x>", "part of the prompts kept for evaluation", fraction(0, 1), 0.1)
    .option("--seed <n>", "seed of the split", wholeNumber(0, 2 ** 32 - 1), 42)
    .option("--max-pairs <n>", "keep at most so many pairs, drawn at random", wholeNumber(1)),
)
  .allowExcessArguments(false)
  .parse();

interface Flags extends DataFlags {
  input: string;
  output: string;
  evalFraction: number;
  seed: number;
  maxPairs?: number;
}

endOnInterrupt();
try {
  const { input, output, evalFraction, seed, maxPairs, ...data } = program.opts<Flags>();
  const files = await hubDataFiles(input, maxPairs);
  const report = await prepareData({ input, files, output, evalFraction, seed, maxPairs, ...dataOptions(data) });
  console.log(prepareSummary(report, output));
} catch (error) {
  reportFailure(error);
}
