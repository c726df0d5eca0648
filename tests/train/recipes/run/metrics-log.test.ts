import { appendFile, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ArtifactError } from "../../../../src/shared/errors.ts";
import { loadTrainerState, writeResults, writeTrainerState } from "../../../../src/train/io/trainer-state.ts";
import { METRICS_FILE, openMetricsLog, type RunShape } from "../../../../src/train/recipes/run/metrics-log.ts";

const run: RunShape = {
  maxSteps: 30,
  numTrainEpochs: 3,
  trainBatchSize: 2,
  loggingSteps: 1,
  saveSteps: 2,
  evalSteps: null,
};

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "metrics-"));
});
afterEach(() => rm(dir, { recursive: true }));

const metricsFile = (): Promise<string> => readFile(join(dir, METRICS_FILE), "utf8");

/** A run of `last` steps from `first` on, whose loss at step s is 1 / s. */
function runSteps(first: number, last: number, resumeStep?: number): void {
  const log = openMetricsLog(dir, { run, resumeStep });
  for (let step = first; step <= last; step++) log.log(step, step / 10, { loss: 1 / step });
  log.close();
}

test("one line a log entry, with step, epoch and metrics", async () => {
  runSteps(1, 2);
  expect(await metricsFile()).toBe('{"step":1,"epoch":0.1,"loss":1}\n{"step":2,"epoch":0.2,"loss":0.5}\n');
});

test("a resumed run leaves the same log as a straight one", async () => {
  runSteps(1, 6);
  const straight = await metricsFile();
  runSteps(1, 5);
  await appendFile(join(dir, METRICS_FILE), '{"step":6,"epo');
  runSteps(5, 6, 4);
  expect(await metricsFile()).toBe(straight);
});

test("without a resumed step the log starts empty", async () => {
  runSteps(1, 3);
  runSteps(1, 1);
  expect(await metricsFile()).toBe('{"step":1,"epoch":0.1,"loss":1}\n');
});

test("resuming where no log was left starts one", async () => {
  runSteps(5, 5, 4);
  expect(await metricsFile()).toBe('{"step":5,"epoch":0.5,"loss":0.2}\n');
});

test("a damaged line in the middle is an error that names it", async () => {
  await writeFile(join(dir, METRICS_FILE), '{"step":1,"epoch":0.1}\n{"step":\n{"step":3,"epoch":0.3}\n');
  expect(() => openMetricsLog(dir, { run, resumeStep: 3 })).toThrow(ArtifactError);
  expect(() => openMetricsLog(dir, { run, resumeStep: 3 })).toThrow(/metrics\.jsonl, line 2/);
});

test("a value that is not finite is null, so that the line stays JSON", async () => {
  const log = openMetricsLog(dir, { run });
  log.log(1, 0.1, { loss: Number.NaN, grad_norm: Number.POSITIVE_INFINITY });
  log.close();
  expect(JSON.parse(await metricsFile())).toEqual({ step: 1, epoch: 0.1, loss: null, grad_norm: null });
});

test("trainer_state.json has the names of transformers and comes back as it was written", async () => {
  const log = openMetricsLog(dir, { run });
  log.log(1, 0.1, { loss: 0.75, "rewards/margins": 0.5 });
  log.log(2, 0.2, { eval_loss: 0.5 });
  log.setBest({ metric: 0.5, step: 2, checkpoint: "checkpoint-2" });
  await writeTrainerState(dir, log.state());
  log.close();
  const expected = {
    global_step: 2,
    epoch: 0.2,
    max_steps: 30,
    num_train_epochs: 3,
    train_batch_size: 2,
    logging_steps: 1,
    save_steps: 2,
    eval_steps: null,
    best_metric: 0.5,
    best_global_step: 2,
    best_model_checkpoint: "checkpoint-2",
    is_world_process_zero: true,
    is_local_process_zero: true,
    log_history: [
      { step: 1, epoch: 0.1, loss: 0.75, "rewards/margins": 0.5 },
      { step: 2, epoch: 0.2, eval_loss: 0.5 },
    ],
  };
  expect(JSON.parse(await readFile(join(dir, "trainer_state.json"), "utf8"))).toEqual(expected);
  expect(await loadTrainerState(dir)).toEqual(expected);
});

test("a missing, broken or foreign trainer state is an error that names the file", async () => {
  await expect(loadTrainerState(dir)).rejects.toThrow(/cannot be read \(.*trainer_state\.json\)/);
  await writeFile(join(dir, "trainer_state.json"), "{");
  await expect(loadTrainerState(dir)).rejects.toThrow(/not JSON/);
  await writeFile(join(dir, "trainer_state.json"), '{"global_step": "two"}');
  await expect(loadTrainerState(dir)).rejects.toThrow(/field "global_step"/);
});

test("results of training and evaluation are kept apart and together", async () => {
  await writeResults(dir, "train", { epoch: 3, train_loss: 0.5 });
  await writeResults(dir, "eval", { epoch: 3, eval_loss: 0.75 });
  const json = async (name: string): Promise<unknown> => JSON.parse(await readFile(join(dir, name), "utf8"));
  expect(await json("train_results.json")).toEqual({ epoch: 3, train_loss: 0.5 });
  expect(await json("eval_results.json")).toEqual({ epoch: 3, eval_loss: 0.75 });
  expect(await json("all_results.json")).toEqual({ epoch: 3, train_loss: 0.5, eval_loss: 0.75 });
  expect((await readdir(dir)).sort()).toEqual(["all_results.json", "eval_results.json", "train_results.json"]);
});
