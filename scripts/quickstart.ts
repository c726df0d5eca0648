// npm run quickstart: the whole road on the models that ship, in minutes: make and convert data, train by the published loss and by the
// recommended recipe, export, serve in workerd, batch inference, report. Every part is also a command of its own.

import { mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { Command } from "commander";
import { infer } from "../src/infer/infer.ts";
import { startLocalWorker } from "../src/infer/local-worker.ts";
import { CSV_FILE, JSONL_FILE } from "../src/infer/write-results.ts";
import { datasetText, generateRecords } from "../src/train/data/arithmetic/dataset.ts";
import { prepareData } from "../src/train/data/pairs/prepare.ts";
import { evaluateModel } from "../src/train/evaluate/evaluate-model.ts";
import type { EvaluationResult, Interval } from "../src/train/evaluate/result.ts";
import { writeEvaluation } from "../src/train/evaluate/write-evaluation.ts";
import { writeJson, writeText } from "../src/train/io/write-text.ts";
import { ensureExported } from "../src/train/onnx/export/ensure-exported.ts";
import { resolveTrainConfig, TRAIN_DEFAULTS } from "../src/train/recipes/dpo/config.ts";
import { trainStepwiseDpo } from "../src/train/recipes/dpo/recipe.ts";
import { trainOnline } from "../src/train/recipes/online/recipe.ts";
import { resolveOnlineSettings } from "../src/train/recipes/online/settings.ts";
import { refuseForeignRun } from "../src/train/recipes/run/run-folder.ts";
import type { BackendChoice } from "../src/train/tensorflow/backends.ts";
import { describeBackend, startTensorflow } from "../src/train/tensorflow/tensorflow.ts";
import { reportFailure, stopOnInterrupt } from "./cli.ts";
import { backendOption, wholeNumber } from "./flags.ts";

/** Settings of the recommended recipe's updates: SFT on what was found. */
const CONFIG = "data/quickstart.json";
const BASE = "data/models/stepwise-t5-nano";
const REWARD_MODEL = "data/models/stepwise-t5-nano-prm";
const DATA = "outputs/quickstart_data";
const PUBLISHED = "outputs/quickstart_stepwise_dpo";
const EVALUATION = "outputs/quickstart_evaluation";
const SEED = 42;
/** Problems that the base model mostly fails, and that the recommended recipe is for. */
const RANGE = { minSteps: 6, maxSteps: 7 };
const SOURCE_PROBLEMS = 200;
const EVAL_FRACTION = 0.1;
/** Steps, of two pairs each, that the published loss is shown for; `npm run train` makes whole epochs. */
const PUBLISHED_STEPS = 10;
/** Rounds of search and update, and most tries of a step that the reward model finds bad. */
const ROUNDS = 2;
const TRIES = 8;
/** A step that is scored below it is written again. */
const THRESHOLD = 0.8;
/** Held-out problems solved before and after, and records of the batch inference. */
const HELDOUT_PROBLEMS = 500;
const RECORDS = 24;

const command = new Command("npm run quickstart --")
  .description(
    "The whole road on the models that ship: make and convert data, train by the published loss and by the recommended\n" +
      "recipe, export, serve, batch inference, report.",
  )
  .option("--max-steps <n>", "train for fewer steps", wholeNumber(1))
  .option("--problems <n>", "problems a round that solutions are searched for", wholeNumber(1), SOURCE_PROBLEMS)
  .addOption(backendOption())
  .allowExcessArguments(false)
  .parse();
const flags = command.opts<{ maxSteps?: number; problems: number; backend: BackendChoice }>();
const started = performance.now();
/** How many parts the road has. */
const PARTS = 6;
/** Parts of the road, and when each began, in seconds. */
const parts: { title: string; began: number }[] = [];

const elapsed = (): number => (performance.now() - started) / 1000;

function heading(title: string): void {
  parts.push({ title, began: elapsed() });
  console.log(`\n[${parts.length}/${PARTS}] ${title}  (${Math.round(elapsed())} s)`);
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
  await refuseForeignRun(TRAIN_DEFAULTS.outputDir, { command: "npm run quickstart", data: DATA });
  heading("make problems, convert them to pairs");
  const made = Math.max(20, Math.ceil((ROUNDS * flags.problems) / (1 - EVAL_FRACTION)));
  const raw = join(DATA, "raw.json");
  await writeText(raw, datasetText(generateRecords(made, SEED, RANGE), SEED));
  const prepared = await prepareData({ input: raw, output: DATA, evalFraction: EVAL_FRACTION, seed: SEED });
  console.log(
    `${prepared.train.pairs} problems of ${RANGE.minSteps} and ${RANGE.maxSteps} steps to train on, ${prepared.eval.pairs} to evaluate: ${DATA}`,
  );

  heading("stepwise DPO as published, a few steps");
  console.log(`backend: ${describeBackend(await startTensorflow(flags.backend))}`);
  const shown = {
    data: join(DATA, "eval.jsonl"),
    rewardModel: REWARD_MODEL,
    outputDir: PUBLISHED,
    maxSteps: Math.min(PUBLISHED_STEPS, flags.maxSteps ?? PUBLISHED_STEPS),
    loggingSteps: 2,
    samplePrompts: 0,
    backend: flags.backend,
  };
  const published = await trainStepwiseDpo(resolveTrainConfig(undefined, shown), {
    overwrite: true,
    exportOnnx: false,
    signal,
    log: console.log,
  });

  heading("the recommended recipe: search by step rewards, learn what came out right");
  console.log(
    `${REWARD_MODEL} scores every step as it is written; one below ${THRESHOLD} is written again, at most ${TRIES} times.\n` +
      "What is right in the end, by the symbolic checker, is learnt. The same as a command, of its own problems:\n" +
      `  npm run train -- --online --config ${CONFIG} --reward-model ${REWARD_MODEL} \\\n` +
      `    --search step-retry --search-expand ${TRIES} --search-threshold ${THRESHOLD} --samples 1 --replay --rounds ${ROUNDS} --problems ${flags.problems} \\\n` +
      `    --problem-min-steps ${RANGE.minSteps} --problem-max-steps ${RANGE.maxSteps} --output outputs/guided`,
  );
  const file: unknown = JSON.parse(await readFile(CONFIG, "utf8"));
  const config = resolveTrainConfig(
    file,
    { model: BASE, rewardModel: REWARD_MODEL, maxSteps: flags.maxSteps, backend: flags.backend },
    CONFIG,
  );
  const settings = resolveOnlineSettings(
    {
      rounds: ROUNDS,
      problemSource: DATA,
      problems: flags.problems,
      samples: 1,
      search: "step-retry",
      searchExpand: TRIES,
      searchThreshold: THRESHOLD,
      replay: true,
    },
    { lossType: config.lossType, hasRewardModel: true },
  );
  const trained = await trainOnline(config, settings, { overwrite: true, signal, log: console.log });

  heading("measure both models on held-out problems");
  const result = await evaluateModel({
    model: trained.outputDir,
    baseline: BASE,
    rewardModel: REWARD_MODEL,
    problems: HELDOUT_PROBLEMS,
    ...RANGE,
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
      rewardModel: await ensureExported(REWARD_MODEL),
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
    published: { before: published.before, after: published.after },
    rounds: trained.rounds.map(({ log: _, ...figures }) => figures),
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
