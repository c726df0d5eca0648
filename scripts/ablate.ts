// npm run ablate: trains every variant of a plan with every seed, measures all on the same held-out problems, prints one table.

import { Command } from "commander";
import { readPlan } from "../src/train/recipes/ablation/plan.ts";
import { runAblation } from "../src/train/recipes/ablation/recipe.ts";
import { runTournament } from "../src/train/recipes/ablation/tournament.ts";
import { isTournament, readTournament } from "../src/train/recipes/ablation/tournament-plan.ts";
import type { BackendChoice } from "../src/train/tensorflow/backends.ts";
import { reportFailure, stopOnInterrupt } from "./cli.ts";
import { backendOption, wholeNumber } from "./flags.ts";

interface Flags {
  plan: string;
  output: string;
  seeds: number[];
  problems: number;
  evaluationSeed: number;
  only?: string[];
  backend: BackendChoice;
}

const seeds = (value: string, before: number[] | undefined): number[] => [...(before ?? []), wholeNumber(0)(value)];

const command = new Command("npm run ablate --")
  .description("Train every variant of a plan with every seed, and measure them on the same held-out problems.")
  .option("--plan <file>", "JSON plan of the variants, or of a tournament (data/tournament.json)", "data/ablation.json")
  .option("--output <dir>", "where pairs, models and results go; finished runs there are kept", "outputs/ablation")
  .option("--seeds <seeds...>", "seeds of samples and training (default: 1 2 3)", seeds)
  .option("--problems <n>", "held-out problems (a tournament's plan says its own)", wholeNumber(1), 1000)
  .option("--evaluation-seed <n>", "seed of the held-out problems", wholeNumber(0), 3000)
  .option("--only <names...>", "variants or methods to run (default: all)")
  .addOption(backendOption())
  .allowExcessArguments(false)
  .parse();
const flags = command.opts<Flags>();

try {
  const run = {
    ...flags,
    seeds: flags.seeds ?? [1, 2, 3],
    outputDir: flags.output,
    signal: stopOnInterrupt(),
    log: console.log,
  };
  if (await isTournament(flags.plan)) {
    const { table, failed } = await runTournament({ ...run, plan: await readTournament(flags.plan) });
    console.log(`\n${table}`);
    for (const { method, seed, error } of failed) console.error(`seed ${seed}, ${method} failed: ${error.message}`);
    if (failed.length > 0) process.exit(1);
  } else console.log(`\n${(await runAblation({ ...run, plan: await readPlan(flags.plan) })).table}`);
} catch (error) {
  reportFailure(error);
}
process.exit();
