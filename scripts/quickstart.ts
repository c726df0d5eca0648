// npm run quickstart: the whole road on the model and data that ship, in minutes: convert, train, export, serve in workerd, batch
// inference, report. Every part is also a command of its own.

import { mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { Command, Option } from "commander";
import writeFileAtomic from "write-file-atomic";
import { infer } from "../src/infer/infer.ts";
import { startLocalWorker } from "../src/infer/local-worker.ts";
import { CSV_FILE, JSONL_FILE } from "../src/infer/write-results.ts";
import { wholeNumber } from "../src/train/data/flags.ts";
import { loadPairs } from "../src/train/data/load-pairs.ts";
import { prepareData } from "../src/train/data/prepare.ts";
import { evaluateSolving, type SolveReport } from "../src/train/evaluate/solve.ts";
import { ensureExported } from "../src/train/export/ensure-exported.ts";
import { loadModel, loadTokenizer } from "../src/train/model/model-folder.ts";
import { createProgress } from "../src/train/progress.ts";
import { trainStepwiseDpo } from "../src/train/recipes/dpo.ts";
import { BACKENDS, type BackendChoice, resolveTrainConfig } from "../src/train/run-config.ts";
import { describeBackend, startTensorflow, tf } from "../src/train/tensorflow.ts";
import { reportFailure, stopOnInterrupt } from "./cli.ts";

/** Settings of the quick run over the published recipe: one epoch, four pairs a step, and no reversed preference. */
const CONFIG = "data/quickstart.json";
const BASE = "data/models/stepwise-t5-nano";
const DATA = "outputs/quickstart_data";
/** Pairs drawn from the raw data: as many as the steps of the quick run need, since each of their steps is scored. */
const PAIRS = 500;
const EVAL_FRACTION = 0.2;
/** Evaluation pairs whose problems are solved before and after, and records of the batch inference. */
const PROBLEMS = 100;
const RECORDS = 24;

const command = new Command("npm run quickstart --")
  .description(
    "The whole road on the model and data that ship: convert, train, export, serve, batch inference, report.",
  )
  .option("--max-steps <n>", "train for fewer steps", wholeNumber(1))
  .addOption(new Option("--backend <name>", "what computes").choices(BACKENDS).default("auto"))
  .allowExcessArguments(false)
  .parse();
const flags = command.opts<{ maxSteps?: number; backend: BackendChoice }>();
const started = performance.now();
let part = 0;

function heading(title: string): void {
  const seconds = Math.round((performance.now() - started) / 1000);
  console.log(`\n[${++part}/6] ${title}  (${seconds} s)`);
}

/** Greedy exact match of a model folder on held-out problems. */
async function solve(dir: string, problems: { prompt: string; gold: string }[], title: string): Promise<SolveReport> {
  const model = await loadModel(dir);
  const tokenizer = await loadTokenizer(dir, model.config);
  const bar = createProgress({ title, total: problems.length });
  try {
    return evaluateSolving(model.parameters, model.config, tokenizer, problems, {
      batchSize: 25,
      onProgress: (done) => bar.update(done),
    });
  } finally {
    bar.stop();
    tf.dispose(model.parameters);
  }
}

try {
  const signal = stopOnInterrupt();
  heading("convert data/raw/synthetic_prm.json to pairs");
  const prepared = await prepareData({
    input: "data/raw/synthetic_prm.json",
    output: DATA,
    evalFraction: EVAL_FRACTION,
    seed: 42,
    maxPairs: PAIRS,
  });
  console.log(`${prepared.train.pairs} pairs to train on, ${prepared.eval.pairs} to evaluate`);

  heading("measure the base model on held-out problems");
  console.log(`backend: ${describeBackend(await startTensorflow(flags.backend))}`);
  const held = (await loadPairs(DATA, "eval")).pairs
    .slice(0, PROBLEMS)
    .map(({ prompt, chosen }) => ({ prompt, gold: chosen }));
  const before = await solve(BASE, held, "solve");

  heading("train by stepwise DPO");
  const file: unknown = JSON.parse(await readFile(CONFIG, "utf8"));
  const config = resolveTrainConfig(
    file,
    { model: BASE, data: DATA, maxSteps: flags.maxSteps, backend: flags.backend },
    CONFIG,
  );
  const trained = await trainStepwiseDpo(config, { overwrite: true, signal, log: console.log });

  heading("measure the tuned model on the same problems");
  const after = await solve(trained.outputDir, held, "solve");

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
  const rows: [string, number, number][] = [
    ["held-out problems solved exactly", before.exactMatch, after.exactMatch],
    ["final answers right", before.answerAccuracy, after.answerAccuracy],
    ["steps valid", before.stepValidity, after.stepValidity],
    [
      "pairs preferred rightly (log-prob)",
      trained.before["eval_logps/accuracies"] ?? 0,
      trained.after["eval_logps/accuracies"] ?? 0,
    ],
    [
      "log-prob margin, chosen - rejected",
      trained.before["eval_logps/margins"] ?? 0,
      trained.after["eval_logps/margins"] ?? 0,
    ],
    ["loss on held-out pairs", trained.before.eval_loss ?? 0, trained.after.eval_loss ?? 0],
  ];
  console.log(`${"".padEnd(36)}${"before".padStart(9)}${"after".padStart(9)}`);
  for (const [name, was, is] of rows)
    console.log(`${name.padEnd(36)}${was.toFixed(3).padStart(9)}${is.toFixed(3).padStart(9)}`);
  const [sampleBefore] = trained.samples.before;
  const [sampleAfter] = trained.samples.after;
  if (sampleBefore !== undefined && sampleAfter !== undefined) {
    console.log(
      `\n${sampleBefore.prompt}\n--- before\n${sampleBefore.completion}\n--- after\n${sampleAfter.completion}`,
    );
  }
  const seconds = Math.round((performance.now() - started) / 1000);
  const { solved: _b, ...solveBefore } = before;
  const { solved: _a, ...solveAfter } = after;
  await writeFileAtomic(
    "outputs/quickstart_report.json",
    `${JSON.stringify({ seconds, problems: held.length, before: { ...solveBefore, ...trained.before }, after: { ...solveAfter, ...trained.after }, inference: { total: summary.total, succeeded: summary.succeeded } }, null, 2)}\n`,
  );
  console.log(`
model            ${trained.outputDir} (weights, tokenizer, model card, onnx/, metrics, runs/ for TensorBoard)
batch results    ${join("outputs", JSONL_FILE)}, ${join("outputs", CSV_FILE)} (${summary.succeeded} of ${summary.total} records)
figures          outputs/quickstart_report.json
time             ${seconds} s

next: npm run dev (serve it), npm run train -- --help (your own model and data)`);
  if (summary.succeeded < summary.total) process.exitCode = 1;
} catch (error) {
  reportFailure(error);
}
process.exit();
