// npm run infer: batch inference through the worker, or by it. Exit 0 when at least one record succeeded (failures are counted and
// written to inference_errors.jsonl), 1 when none did or the input is unusable, 130 when interrupted.

import { join } from "node:path";
import { Command, Option } from "commander";
import { infer, type StartWorker } from "../src/infer/infer.ts";
import { createProgressBar } from "../src/infer/progress-bar.ts";
import { inferRemote } from "../src/infer/remote/infer-remote.ts";
import type { BatchSummary } from "../src/infer/run-batch.ts";
import { unknownLine } from "../src/infer/unknown-tally.ts";
import { CSV_FILE, ERRORS_FILE, JSONL_FILE } from "../src/infer/write-results.ts";
import { AGGREGATIONS, type Aggregation } from "../src/shared/aggregate.ts";
import { onInterrupt, reportFailure } from "./cli.ts";
import { wholeNumber } from "./flags.ts";

interface Flags {
  model?: string;
  rewardModel?: string;
  endpoint?: string[];
  remote: boolean;
  wait: boolean;
  input: string;
  outputDir: string;
  concurrency: number;
  maxNewTokens: number;
  limit?: number;
  apiKeyEnv?: string;
  aggregation?: Aggregation;
  resume: boolean;
}

const program = new Command("npm run infer --")
  .description("Generate an answer for each prompt and score its two given completions; writes CSV and JSONL.")
  .option("--model <dir>", "model folder (default: the trained model, else the one that ships)")
  .option("--reward-model <dir>", "model that scores (default: the one that the model was trained with)")
  .option(
    "--endpoint <url>",
    "a running worker, in place of --model; several times: workers that share the records",
    (url: string, before: string[] | undefined) => [...(before ?? []), ...url.split(",")],
  )
  .option("--remote", "as a batch that the worker at --endpoint runs by itself (docs/batch.md)", false)
  .option("--wait", "with --remote: follow the batch and fetch its results; the same command later does so, too", false)
  .option("--input <file>", "pairs, one JSON object a line", "data/dpo/eval.jsonl")
  .option("--output-dir <dir>", "where the results go", "outputs")
  .option("--concurrency <n>", "requests at a time", wholeNumber(1, 64), 4)
  .option("--max-new-tokens <n>", "longest answer", wholeNumber(1), 128)
  .option("--limit <n>", "only the first n records", wholeNumber(1))
  .option("--api-key-env <name>", "environment variable that holds the worker's API key")
  .addOption(
    new Option("--aggregation <how>", "step scores to one score (default: the worker's)").choices(AGGREGATIONS),
  )
  .option("--resume", "go on with a stopped run; finished records are not repeated", false)
  .allowExcessArguments(false)
  .parse();
const flags = program.opts<Flags>();

const apiKey = flags.apiKeyEnv === undefined ? undefined : process.env[flags.apiKeyEnv];
if (flags.apiKeyEnv !== undefined && (apiKey === undefined || apiKey === "")) {
  program.error(`error: the environment variable ${flags.apiKeyEnv} (--api-key-env) is not set`);
}

/** Models that were not exported yet are; wrangler and TensorFlow take seconds to load, so only a run without --endpoint does. */
const startWorker: StartWorker = async ({ policyDir, rewardDir }) => {
  const { startLocalWorker } = await import("../src/infer/local-worker.ts");
  const { exportedModels } = await import("../src/train/onnx/export/exported-models.ts");
  return startLocalWorker(
    await exportedModels({ policy: policyDir, reward: rewardDir }, (line) => console.error(line)),
  );
};

const interrupt = new AbortController();
onInterrupt(() => interrupt.abort());
try {
  const summary = flags.remote ? await runRemote() : await runHere();
  if (summary !== undefined) report(summary);
} catch (error) {
  reportFailure(error);
}

function runHere(): Promise<BatchSummary> {
  return infer({ ...flags, apiKey }, { startWorker, signal: interrupt.signal, say: (line) => console.error(line) });
}

/** undefined: the batch still runs. */
async function runRemote(): Promise<BatchSummary | undefined> {
  const [endpoint, ...others] = flags.endpoint ?? [];
  if (endpoint === undefined || others.length > 0) return program.error("error: --remote needs one --endpoint");
  const bar = createProgressBar();
  try {
    const remote = await inferRemote({
      ...flags,
      endpoint,
      apiKey,
      signal: interrupt.signal,
      ...(flags.wait && { onProgress: (progress) => bar.update(progress) }),
    });
    if (remote.isDone) return remote;
    const { done, total } = remote.progress;
    console.log(
      `batch ${remote.batch}: ${done} of ${total} records done; the same command tells more, and fetches the results`,
    );
    return undefined;
  } finally {
    bar.stop();
  }
}

function report(summary: BatchSummary): void {
  const { total, succeeded, resumed, failures, unknown } = summary;
  console.log(`${succeeded} of ${total} records done${resumed > 0 ? ` (${resumed} by the earlier run)` : ""}`);
  console.log(`results: ${join(flags.outputDir, JSONL_FILE)}, ${join(flags.outputDir, CSV_FILE)}`);
  const [first] = failures;
  if (first !== undefined) {
    console.error(
      `warning: ${failures.length} record${failures.length === 1 ? "" : "s"} failed, listed in ${join(flags.outputDir, ERRORS_FILE)}`,
    );
    console.error(`  ${flags.input}, line ${first.line}: ${first.error}`);
  }
  if (unknown.records > 0) console.error(`warning: ${unknownLine(unknown)}`);
  process.exitCode = succeeded === 0 ? 1 : 0;
}
