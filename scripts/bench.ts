// npm run bench -- NAME: measurements, each printed as one JSON line. Exit 1 when one cannot be made.

import { Command, Option } from "commander";
import { benchEdge } from "../src/bench/edge.ts";
import { benchScoring, type ScoringBenchOptions } from "../src/train/bench/scoring.ts";
import { wholeNumber } from "../src/train/data/flags.ts";
import { ensureExported } from "../src/train/export/ensure-exported.ts";
import { REWARD_DEFAULTS } from "../src/train/reward/reward-config.ts";
import { BACKENDS } from "../src/train/run-config.ts";
import { reportFailure } from "./cli.ts";

const say = (line: string): void => console.error(line);

const program = new Command("npm run bench --").description("Measure speed and memory (docs/benchmarks.md).");

program
  .command("edge")
  .description("memory and time of a model in the worker, served as policy and as reward model")
  .requiredOption("--model <dir>", "model folder; exported first if need be")
  .option("--tokens <n>", "length of the answer that is timed", wholeNumber(2), 33)
  .allowExcessArguments(false)
  .action(async ({ model, tokens }: { model: string; tokens: number }) => {
    const modelDir = await ensureExported(model, { say });
    console.log(JSON.stringify(await benchEdge({ modelDir, tokens, say })));
  });

program
  .command("scoring")
  .description("one pass of a process reward model against judging step by step, on the same weights")
  .option("--model <dir>", "a T5 folder, whatever it was trained for", REWARD_DEFAULTS.model)
  .option("--data <dir|file>", "pairs whose sides are scored", "data/dpo")
  .option("--pairs <n>", "how many of them", wholeNumber(1), 100)
  .option("--rounds <n>", "timed rounds of both ways; the median counts", wholeNumber(1), 3)
  .addOption(new Option("--backend <name>", "what computes").choices(BACKENDS).default("auto"))
  .allowExcessArguments(false)
  .action(async ({ model, ...options }: Omit<ScoringBenchOptions, "modelDir"> & { model: string }) => {
    console.log(JSON.stringify(await benchScoring({ modelDir: model, ...options })));
  });

try {
  await program.parseAsync();
} catch (error) {
  reportFailure(error);
}
process.exit(); // TensorFlow's worker threads would keep the process alive
