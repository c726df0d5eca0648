// A run small enough for a test: the tiny random model, a few pairs, and the losses of its log.

import { existsSync, readFileSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { resolveTrainConfig, type TrainConfig, type TrainSettings } from "../../../../src/train/recipes/dpo/config.ts";
import { writeTinyFolder } from "../pretrain/tiny-folder.ts";

const line = (a: number, b: number, extra: object): string =>
  JSON.stringify({
    prompt: `Tom has ${a} apples and buys ${b} more. How many?`,
    chosen: `${a} + ${b} = ${a + b}`,
    rejected: `${a} + ${b} = ${a + b + 1}\n${a + b + 1} - 1 = ${a + b}`,
    ...extra,
  });

export interface TinyRun {
  dir: string;
  config(name: string, settings?: TrainSettings): TrainConfig;
}

/** Writes model and data below `dir`; `config` gives a run of 2 epochs of 3 steps, its output in a folder of its own. */
export async function createTinyRun(dir: string): Promise<TinyRun> {
  await writeTinyFolder(join(dir, "model"));
  const margins = [0.5, 0.25, -0.25, 0.75, 0.5, 0.125];
  const train = margins.map((margin, i) => line(i + 2, 9 - i, { chosen_score: 0.5 + margin, rejected_score: 0.5 }));
  await mkdir(join(dir, "data"), { recursive: true });
  await writeFile(join(dir, "data", "train.jsonl"), `${train.join("\n")}\n`);
  await writeFile(join(dir, "data", "eval.jsonl"), `${line(3, 3, { chosen_score: 0.9, rejected_score: 0.1 })}\n`);
  return {
    dir,
    config: (name, settings = {}) =>
      resolveTrainConfig(undefined, {
        model: join(dir, "model"),
        data: join(dir, "data"),
        outputDir: join(dir, name),
        numTrainEpochs: 2,
        learningRate: 1e-3,
        weightDecay: 0.01,
        loggingSteps: 1,
        saveSteps: 2,
        samplePrompts: 0,
        ...settings,
      }),
  };
}

/** Ctrl-C as soon as the run in `outputDir` has logged `lines` lines. */
export function stopAfter(outputDir: string, lines: number): AbortSignal {
  const controller = new AbortController();
  const path = join(outputDir, "metrics.jsonl");
  const look = (): void => {
    if (existsSync(path) && readFileSync(path, "utf8").split("\n").length > lines) controller.abort();
    else setImmediate(look).unref();
  };
  look();
  return controller.signal;
}

export type LogLine = Record<string, number | null>;

/** Lines of metrics.jsonl. */
export async function readMetrics(outputDir: string): Promise<LogLine[]> {
  const text = await readFile(join(outputDir, "metrics.jsonl"), "utf8");
  return text
    .trimEnd()
    .split("\n")
    .map((json) => JSON.parse(json));
}
