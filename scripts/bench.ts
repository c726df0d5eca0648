// npm run bench -- NAME: measurements, each printed as one JSON line. Exit 1 when one cannot be made.

import { Command } from "commander";
import { benchEdge } from "../src/bench/edge.ts";
import { wholeNumber } from "../src/train/data/flags.ts";
import { ensureExported } from "../src/train/export/ensure-exported.ts";
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

try {
  await program.parseAsync();
} catch (error) {
  reportFailure(error);
}
