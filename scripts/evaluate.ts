// npm run evaluate: how well a model solves, prefers and is judged, with intervals; evaluation.json and report.html.

import { dirname, join } from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";
import { AGGREGATIONS, type Aggregation } from "../src/shared/aggregate.ts";
import { evaluateModel } from "../src/train/evaluate/evaluate-model.ts";
import { PARTS, type Part } from "../src/train/evaluate/options.ts";
import { REPORT_FILE, renderReportFile } from "../src/train/evaluate/report/write.ts";
import { evaluationSummary } from "../src/train/evaluate/summary.ts";
import { writeEvaluation } from "../src/train/evaluate/write-evaluation.ts";
import type { BackendChoice } from "../src/train/tensorflow/backends.ts";
import { reportFailure, stopOnInterrupt } from "./cli.ts";
import { backendOption, wholeNumber } from "./flags.ts";

interface Flags {
  model: string;
  baseline?: string;
  rewardModel?: string;
  data: string;
  problems?: number;
  minSteps?: number;
  maxSteps?: number;
  seed: number[];
  only: Part[];
  samples: number;
  bestOf?: number[];
  temperature: number;
  topK: number;
  topP: number;
  maxNewTokens: number;
  aggregation: Aggregation;
  threshold?: number;
  resamples: number;
  trainingData?: string[];
  allowOverlap: boolean;
  shown: number;
  backend: BackendChoice;
  output: string;
  reportOnly?: string;
}

/** Numbers out of range are refused by evaluateModel, which says what to change. */
function anyNumber(text: string): number {
  const value = text.trim() === "" ? Number.NaN : Number(text);
  if (!Number.isFinite(value)) throw new InvalidArgumentError("Not a number.");
  return value;
}

function numbers(text: string, before: number[] | undefined): number[] {
  return [...(before ?? []), anyNumber(text)];
}

const command = new Command("npm run evaluate --")
  .description("Measure a model on problems it never saw; writes evaluation.json and report.html.")
  .option("--model <dir|hub-id>", "what is measured")
  .option("--baseline <dir|hub-id>", "what it is compared with, on the same problems")
  .option("--reward-model <dir|hub-id>", "model that scores steps; it is measured too")
  .option("--data <file>", 'problems, pairs or labelled solutions; "heldout": built-in word problems', "heldout")
  .option("--problems <n>", "problems a seed (default: 200 built-in ones, all of a file)", anyNumber)
  .option("--min-steps <n>", "fewest steps of the built-in problems (default: 2)", wholeNumber(1))
  .option("--max-steps <n>", "most steps of the built-in problems (default: 6)", wholeNumber(1))
  .option("--seed <n...>", "seeds of problems and samples (default: 42)", numbers)
  .addOption(new Option("--only <part...>", "measure only these parts").choices(PARTS))
  .option("--samples <n>", "samples a problem for best-of-N", anyNumber, 16)
  .option("--best-of <n...>", "sizes of best-of-N (default: 1 2 4 8 16, up to --samples)", numbers)
  .option("--temperature <t>", "of the samples", anyNumber, 1)
  .option("--top-k <k>", "of the samples; 0: off", anyNumber, 0)
  .option("--top-p <p>", "of the samples; 1: off", anyNumber, 1)
  .option("--max-new-tokens <n>", "longest solution", anyNumber, 128)
  .addOption(
    new Option("--aggregation <how>", "step scores to one score, for pairs").choices(AGGREGATIONS).default("mean"),
  )
  .option("--threshold <t>", "a step scored below it is called wrong (default: cross-fitted)", anyNumber)
  .option("--resamples <n>", "of the bootstrap", anyNumber, 1000)
  .option("--training-data <path...>", "must share no problem (default: what the models' runs trained on)")
  .option("--allow-overlap", "evaluate on problems that were trained on", false)
  .option("--shown <n>", "problems shown with their solutions", wholeNumber(0), 12)
  .addOption(backendOption())
  .option("--output <dir>", "where the result goes", "outputs/evaluation")
  .option("--report-only <file>", "only make the report of this evaluation.json again, beside it")
  .allowExcessArguments(false)
  .parse();
const flags = command.opts<Flags>();
if (flags.model === undefined && flags.reportOnly === undefined)
  command.error("error: required option '--model <dir|hub-id>' not specified");

try {
  if (flags.reportOnly !== undefined) {
    const html = join(dirname(flags.reportOnly), REPORT_FILE);
    await renderReportFile(flags.reportOnly, html);
    console.log(`report: ${html}`);
  } else {
    const { only, seed, shown, output, ...rest } = flags;
    const result = await evaluateModel({
      ...rest,
      parts: only,
      seeds: seed,
      shownProblems: shown,
      command: ["npm run evaluate --", ...process.argv.slice(2)].join(" "),
      signal: stopOnInterrupt(),
      log: console.error,
    });
    const files = await writeEvaluation(output, result);
    console.log(evaluationSummary(result));
    console.log(`\nresult  ${files.json}\nreport  ${files.report}`);
  }
} catch (error) {
  reportFailure(error);
}
process.exit(); // TensorFlow's worker threads would keep the process alive
