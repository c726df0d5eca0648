// npm run quickstart: the whole road on the model and data that ship, in minutes: convert, train, export, serve in workerd, batch
// inference, report. Every part is also a command of its own.

import { mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { Command } from "commander";
import { infer } from "../src/infer/infer.ts";
import { startLocalWorker } from "../src/infer/local-worker.ts";
import { CSV_FILE, JSONL_FILE } from "../src/infer/write-results.ts";
import { prepareData } from "../src/train/data/pairs/prepare.ts";
import { evaluateModel } from "../src/train/evaluate/evaluate-model.ts";
import type { EvaluationResult, Interval } from "../src/train/evaluate/result.ts";
import { writeEvaluation } from "../src/train/evaluate/write-evaluation.ts";
import { createProgress } from "../src/train/io/progress.ts";
import { writeJson } from "../src/train/io/write-text.ts";
import { ensureExported } from "../src/train/onnx/export/ensure-exported.ts";
import { resolveTrainConfig, TRAIN_DEFAULTS } from "../src/train/recipes/dpo/config.ts";
import { trainStepwiseDpo } from "../src/train/recipes/dpo/recipe.ts";
import { runRollout } from "../src/train/recipes/rollout/run.ts";
import { rolloutSummary } from "../src/train/recipes/rollout/summary.ts";
import { refuseForeignRun } from "../src/train/recipes/run/run-folder.ts";
import type { BackendChoice } from "../src/train/tensorflow/backends.ts";
import { describeBackend, startTensorflow } from "../src/train/tensorflow/tensorflow.ts";
import { reportFailure, stopOnInterrupt } from "./cli.ts";
import { backendOption, wholeNumber } from "./flags.ts";

/** Settings of the training run: the variant "steps" of docs/results.md. */
const CONFIG = "data/quickstart.json";
const BASE = "data/models/stepwise-t5-nano";
const DATA = "outputs/quickstart_data";
const ROLLOUTS = "outputs/quickstart_rollouts";
const EVALUATION = "outputs/quickstart_evaluation";
/** Problems taken from the raw data, and solutions of each that the base model samples. */
const SOURCE_PROBLEMS = 600;
const SAMPLES = 8;
const EVAL_FRACTION = 0.1;
/** Held-out problems solved before and after, and records of the batch inference. */
const HELDOUT_PROBLEMS = 300;
const RECORDS = 24;

const command = new Command("npm run quickstart --")
  .description(
    "The whole road on the model and data that ship: convert, train, export, serve, batch inference, report.",
  )
  .option("--max-steps <n>", "train for fewer steps", wholeNumber(1))
  .option("--problems <n>", "problems whose solutions are sampled to train on", wholeNumber(1), SOURCE_PROBLEMS)
  .addOption(backendOption())
  .allowExcessArguments(false)
  .parse();
const flags = command.opts<{ maxSteps?: number; problems: number; backend: BackendChoice }>();
const started = performance.now();
/** Parts of the road, and when each began, in seconds. */
const parts: { title: string; began: number }[] = [];

const elapsed = (): number => (performance.now() - started) / 1000;

function heading(title: string): void {
  parts.push({ title, began: elapsed() });
  console.log(`\n[${parts.length}/6] ${title}  (${Math.round(elapsed())} s)`);
}

/** Seconds of each part. */
function whereTimeWent(): { part: string; seconds: number }[] {
  return parts.map(({ title, began }, i) => {
    const seconds = (parts[i + 1]?.began ?? elapsed()) - began;
    return { part: title, seconds: Math.round(10 * seconds) / 10 };
  });
}

/** Before, after, and the difference with its 95 % interval, of a figure that both models have. */
function compared(result: EvaluationResult, title: string, metric: string): string | undefined {
  const row = result.comparison?.find((one) => one.metric === metric);
  if (row === undefined) return undefined;
  const { low, high }: Interval = row.difference;
  const figures = [row.baseline, row.model].map((value) => value.toFixed(3).padStart(9)).join("");
  return `${title.padEnd(36)}${figures}   ${low >= 0 ? "+" : ""}${low.toFixed(3)} to ${high >= 0 ? "+" : ""}${high.toFixed(3)}`;
}

/** One of the shown problems that the base model got wrong and the tuned one gets right; the report also shows ones that it lost. */
function showSolvedNow({ samples }: EvaluationResult): void {
  for (const { prompt, solutions } of samples) {
    const of = (source: string) => solutions.find((one) => one.source === source && one.decoding === "greedy");
    const [before, after] = [of("baseline"), of("model")];
    if (before === undefined || after === undefined || before.exact !== false || after.exact !== true) continue;
    console.log(`\nsolved now: ${prompt}\n--- before\n${before.text}\n--- after\n${after.text}`);
    return;
  }
}

try {
  const signal = stopOnInterrupt();
  await refuseForeignRun(TRAIN_DEFAULTS.outputDir, { command: "npm run quickstart", data: ROLLOUTS });
  heading("convert data/raw/synthetic_prm.json to pairs");
  const prepared = await prepareData({
    input: "data/raw/synthetic_prm.json",
    output: DATA,
    evalFraction: EVAL_FRACTION,
    seed: 42,
    maxPairs: Math.ceil(flags.problems / (1 - EVAL_FRACTION)),
  });
  console.log(`${prepared.train.pairs} pairs to train on, ${prepared.eval.pairs} to evaluate`);

  heading("sample the base model's own solutions, pair their first wrong steps with right ones");
  console.log(`backend: ${describeBackend(await startTensorflow(flags.backend))}`);
  const bar = createProgress({ title: "rollout", total: prepared.train.pairs });
  const report = await runRollout({
    modelDir: BASE,
    scorer: "checker",
    aggregation: "mean",
    data: DATA,
    problems: flags.problems,
    samples: SAMPLES,
    sampling: { doSample: true, temperature: 1, topK: 0, topP: 1 },
    maxNewTokens: 112,
    pairs: ["step"],
    pairScores: false,
    maxPairsPerProblem: 4,
    requireRight: false,
    resample: 0,
    monteCarlo: 0,
    labels: "checker",
    evalFraction: EVAL_FRACTION,
    seed: 42,
    outputDir: ROLLOUTS,
    batchSize: 64,
    resume: false,
    overwrite: true,
    signal,
    onProgress: (done) => bar.update(done),
  }).finally(() => bar.stop());
  console.log(rolloutSummary(report, ROLLOUTS));

  heading("train by stepwise DPO");
  const file: unknown = JSON.parse(await readFile(CONFIG, "utf8"));
  const config = resolveTrainConfig(
    file,
    { model: BASE, data: ROLLOUTS, maxSteps: flags.maxSteps, backend: flags.backend },
    CONFIG,
  );
  const trained = await trainStepwiseDpo(config, { overwrite: true, signal, log: console.log });

  heading("measure both models on held-out problems");
  const result = await evaluateModel({
    model: trained.outputDir,
    baseline: BASE,
    rewardModel: BASE,
    problems: HELDOUT_PROBLEMS,
    parts: ["policy", "judge"],
    command: "npm run quickstart",
    backend: flags.backend,
    signal,
  });
  const written = await writeEvaluation(EVALUATION, result);

  heading("serve in workerd, batch inference");
  await mkdir("outputs", { recursive: true });
  await rm(join("outputs", "inference_results.partial.jsonl"), { force: true });
  const summary = await infer(
    {
      model: trained.outputDir,
      rewardModel: await ensureExported(BASE),
      input: join(DATA, "eval.jsonl"),
      outputDir: "outputs",
      concurrency: 4,
      maxNewTokens: 112,
      limit: RECORDS,
      resume: false,
    },
    { startWorker: startLocalWorker, signal, say: (line) => console.error(line) },
  );

  heading("what was made");
  const rows = [
    compared(result, "held-out problems solved exactly", "exact_match"),
    compared(result, "final answers right", "answer_accuracy"),
    compared(result, "steps valid", "step_validity"),
    compared(result, "repeated lines", "repetition_rate"),
    compared(result, "score by the reward model", "reward_score"),
  ];
  console.log(`${"".padEnd(36)}${"before".padStart(9)}${"after".padStart(9)}   difference, 95 %`);
  for (const row of rows) if (row !== undefined) console.log(row);
  showSolvedNow(result);
  const seconds = Math.round(elapsed());
  const times = whereTimeWent()
    .slice(0, -1)
    .map((one) => `${one.part} ${Math.round(one.seconds)}`)
    .join(", ");
  const figures = {
    seconds,
    parts: whereTimeWent(),
    problems: HELDOUT_PROBLEMS,
    comparison: result.comparison,
    training: { before: trained.before, after: trained.after },
    inference: { total: summary.total, succeeded: summary.succeeded },
  };
  await writeJson("outputs/quickstart_report.json", figures);
  console.log(`
model            ${trained.outputDir} (weights, tokenizer, model card, onnx/, metrics, runs/ for TensorBoard)
evaluation       ${written.report} (open it in a browser), ${written.json}
batch results    ${join("outputs", JSONL_FILE)}, ${join("outputs", CSV_FILE)} (${summary.succeeded} of ${summary.total} records)
figures          outputs/quickstart_report.json
time             ${seconds} s: ${times}

next: npm run dev (serve it), npm run train -- --help (your own model and data)`);
  if (summary.succeeded < summary.total) process.exitCode = 1;
} catch (error) {
  reportFailure(error);
}
process.exit();
