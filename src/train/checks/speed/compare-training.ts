// The training step of several backends and, beside them, of a PyTorch baseline in both of its forms: by turns in one run, so that all meet
// the same machine. Each is a process of its own and prints one JSON line.

import { z } from "zod";
import { InputError } from "../../../shared/errors.ts";
import type { BackendChoice } from "../../tensorflow/backends.ts";
import { runCommand } from "../../tensorflow/setup/run-command.ts";
import { median } from "./median.ts";
import { processorLine } from "./processor.ts";
import type { TrainingBenchOptions } from "./training.ts";

export interface ComparisonOptions {
  /** The command's own script, which `train --backend NAME` measures one backend with, and the flags for it. */
  script: string;
  flags: readonly string[];
  backends: readonly BackendChoice[];
  /** A Python program whose `train MODEL PAIRS --steps N --rewards WHEN` trains two pairs a step; `--fused --encode-once` is its best form. */
  peer?: string | undefined;
  python: string;
  /** Turns of all. */
  rounds: number;
  measured: Pick<TrainingBenchOptions, "modelDir" | "data" | "steps" | "batch" | "rewards">;
}

/** A form of the step: medians over the rounds, and its share of the baseline's time in either form. */
export interface ComparedForm {
  name: string;
  seconds_per_step_median: number;
  /** Of each round. */
  seconds: number[];
  peak_rss_mb: number;
  of_pytorch?: number;
  of_pytorch_best?: number;
}

export interface TrainingComparison {
  bench: "train";
  processor: string;
  rewards: string | undefined;
  rounds: number;
  forms: ComparedForm[];
}

const PYTORCH = "pytorch";
const PYTORCH_BEST = "pytorch, fused, prompts encoded once";
/** One measurement: two warm-up steps, loading, scores. */
const TIMEOUT_MS = 1_800_000;

const resultSchema = z.object({ seconds_per_step_median: z.number(), peak_rss_mb: z.number() });

/** Throws InputError for a program that fails, with its last line, and for a batch that the baseline does not have. */
export async function compareTraining(options: ComparisonOptions): Promise<TrainingComparison> {
  const { backends, peer, python, rounds, script, measured } = options;
  const { modelDir, data, steps = 12, batch = 2, rewards = "in-loop" } = measured;
  if (peer !== undefined && batch !== 2) {
    throw new InputError({
      code: "peer_batch",
      what: `the baseline trains 2 pairs a step, ${batch} were asked for`,
      where: "--batch",
      fix: "Leave --batch or --peer out.",
    });
  }
  const ours = backends.map((backend) => ({
    name: backend,
    command: process.execPath,
    args: [...process.execArgv, script, "train", ...options.flags, "--backend", backend],
  }));
  const peerArgs = ["train", modelDir, data, "--steps", String(steps), "--rewards", rewards];
  const theirs =
    peer === undefined
      ? []
      : [
          { name: PYTORCH, command: python, args: [peer, ...peerArgs] },
          { name: PYTORCH_BEST, command: python, args: [peer, ...peerArgs, "--fused", "--encode-once"] },
        ];
  const forms = [...ours, ...theirs].map((form) => ({ ...form, results: [] as z.infer<typeof resultSchema>[] }));
  for (let round = 0; round < rounds; round++) {
    for (const { name, command, args, results } of forms) {
      results.push(await measure(name, command, args));
      console.error(`${name}: ${results.at(-1)?.seconds_per_step_median.toFixed(3)} s`);
    }
  }
  const medians = new Map(
    forms.map(({ name, results }) => [name, median(results.map((one) => one.seconds_per_step_median))]),
  );
  const share = (name: string, of: string): number =>
    (medians.get(name) ?? Number.NaN) / (medians.get(of) ?? Number.NaN);
  return {
    bench: "train",
    processor: processorLine(),
    rewards,
    rounds,
    forms: forms.map(({ name, results }) => ({
      name,
      seconds_per_step_median: medians.get(name) ?? Number.NaN,
      seconds: results.map((one) => one.seconds_per_step_median),
      peak_rss_mb: median(results.map((one) => one.peak_rss_mb)),
      ...(peer !== undefined && {
        of_pytorch: share(name, PYTORCH),
        of_pytorch_best: share(name, PYTORCH_BEST),
      }),
    })),
  };
}

async function measure(name: string, command: string, args: readonly string[]): Promise<z.infer<typeof resultSchema>> {
  const { code, stdout, reason } = await runCommand(command, args, { timeoutMs: TIMEOUT_MS });
  const line = stdout.trimEnd().split("\n").at(-1) ?? "";
  const parsed = code === 0 ? resultSchema.safeParse(parsedJson(line)) : undefined;
  if (parsed?.success) return parsed.data;
  throw new InputError({
    code: "not_measured",
    what: `${name} could not be measured: ${code === 0 ? "its last line is no result" : reason}`,
    where: command,
    fix: "Run it by itself to see more.",
  });
}

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
