// npm run bench -- NAME: measurements, each printed as one JSON line. Exit 1 when one cannot be made.
// Each command imports what it measures, and nothing else: a process's memory is one of the figures.

import { Command, Option } from "commander";
import type { BatchBenchOptions } from "../src/bench/batch/batch.ts";
import type { LoadOptions } from "../src/bench/load/load.ts";
import { BASE_MODEL } from "../src/infer/default-models.ts";
import { AGGREGATIONS } from "../src/shared/aggregate.ts";
import type { DataBenchOptions } from "../src/train/checks/speed/data.ts";
import type { DecodeBenchOptions } from "../src/train/checks/speed/decode.ts";
import { REWARDS } from "../src/train/checks/speed/rewards.ts";
import type { ScoreBenchOptions } from "../src/train/checks/speed/score.ts";
import type { ScoringBenchOptions } from "../src/train/checks/speed/scoring.ts";
import type { SearchBenchOptions } from "../src/train/checks/speed/search.ts";
import type { TrainingBenchOptions } from "../src/train/checks/speed/training.ts";
import { ADAPTERS, TRAIN_DEFAULTS } from "../src/train/recipes/dpo/config.ts";
import { REWARD_DEFAULTS } from "../src/train/recipes/reward/config.ts";
import { BACKENDS, type BackendChoice } from "../src/train/tensorflow/backends.ts";
import { reportFailure } from "./cli.ts";
import { backendOption, fraction, precisionOption, wholeNumber } from "./flags.ts";

type TrainFlags = Omit<TrainingBenchOptions, "modelDir" | "backend" | "loraR" | "loraTargetModules"> & {
  model: string;
  rank: number;
  target: string;
  backend: BackendChoice[];
  peer?: string;
  python: string;
  rounds: number;
};

/** Flags as they were given, without those of a comparison. */
function flagsOfOne(argv: readonly string[]): string[] {
  const flags: string[] = [];
  let skips = false;
  for (const word of argv) {
    if (word.startsWith("--")) skips = /^--(backend|peer|python|rounds)(=|$)/.test(word);
    if (!skips) flags.push(word);
  }
  return flags;
}

type SearchFlags = Omit<SearchBenchOptions, "modelDir" | "rewardModelDir" | "say"> & {
  model: string;
  rewardModel: string;
};

type LoadFlags = Pick<LoadOptions, "rounds" | "seconds" | "promptTokens" | "overloadSeconds" | "leaving"> & {
  model: string;
  reward?: string;
  tokens: number;
};

type BatchFlags = Omit<BatchBenchOptions, "modelDir" | "rewardDir" | "say"> & { model: string; reward?: string };

const say = (line: string): void => console.error(line);

async function exported(model: string): Promise<string> {
  const { ensureExported } = await import("../src/train/onnx/export/ensure-exported.ts");
  return ensureExported(model, { say });
}

const program = new Command("npm run bench --").description("Measure speed and memory (docs/benchmarks.md).");

program
  .command("data")
  .description("prepare-data on a large file, which is made first: records a second, most memory")
  .addOption(new Option("--kind <name>", "of the file").choices(["jsonl", "parquet", "stepwise"]).default("jsonl"))
  .option("--megabytes <n>", "size of the file", wholeNumber(1), 2000)
  .option("--folder <dir>", "where file and result stay (default: a temporary folder, removed)")
  .addOption(new Option("--write <file>", "only make the file").hideHelp())
  .allowExcessArguments(false)
  .action(async ({ write, ...options }: DataBenchOptions & { write?: string }) => {
    const { benchData, writeDataFile } = await import("../src/train/checks/speed/data.ts");
    if (write !== undefined) return writeDataFile(write, options.kind, options.megabytes);
    console.log(JSON.stringify(await benchData({ ...options, script: import.meta.filename })));
  });

program
  .command("edge")
  .description("memory and time of a model in the worker, served as policy and as reward model")
  .requiredOption("--model <dir>", "model folder; exported first if need be")
  .option("--reward <dir>", "reward model (default: the policy)")
  .option("--tokens <n>", "length of the answer that is timed", wholeNumber(2), 33)
  .allowExcessArguments(false)
  .action(async ({ model, reward = model, tokens }: { model: string; reward?: string; tokens: number }) => {
    const { benchEdge } = await import("../src/bench/edge.ts");
    const [modelDir, rewardDir] = [await exported(model), await exported(reward)];
    console.log(JSON.stringify(await benchEdge({ modelDir, rewardDir, tokens, say })));
  });

program
  .command("load")
  .description("the worker in workerd under load: 1, 8 and 16 clients, overload, clients that leave")
  .option("--model <dir>", "policy; exported first if need be", BASE_MODEL)
  .option("--reward <dir>", "reward model (default: the policy)")
  .option("--rounds <n>", "rounds of 1, 8 and 16 clients by turns", wholeNumber(1), 3)
  .option("--seconds <n>", "of each measurement of a round", wholeNumber(1), 8)
  .option("--tokens <n>", "longest answer", wholeNumber(1), 48)
  .option("--prompt-tokens <n>", "words added to the prompts, in tokens", wholeNumber(0), 0)
  .option("--overload-seconds <n>", "length of the overload by 64 clients; 0: none", wholeNumber(0), 60)
  .option("--leaving <n>", "clients that leave at random moments; 0: none", wholeNumber(0), 1000)
  .allowExcessArguments(false)
  .action(async (flags: LoadFlags) => {
    const { benchLoad } = await import("../src/bench/load/load.ts");
    const { model, reward = model, tokens, ...rest } = flags;
    const [modelDir, rewardDir] = [await exported(model), await exported(reward)];
    console.log(JSON.stringify(await benchLoad({ ...rest, modelDir, rewardDir, maxNewTokens: tokens, say })));
  });

program
  .command("batch")
  .description(
    "batches in workerd: kills, interactive clients beside one, overhead, memory of an upload (docs/batch.md)",
  )
  .option("--model <dir>", "policy; exported first if need be", BASE_MODEL)
  .option("--records <n>", "records of the killed batch; 0: none", wholeNumber(0), 10_000)
  .option("--kills <n>", "how often its worker is killed", wholeNumber(0), 10)
  .option("--clients <n>", "interactive clients; 0: none", wholeNumber(0), 8)
  .option("--rounds <n>", "rounds with and without a batch by turns", wholeNumber(1), 3)
  .option("--seconds <n>", "of each", wholeNumber(1), 10)
  .option("--beside <n>", "requests of a batch in the engine beside theirs (default: the worker's)", wholeNumber(1, 16))
  .option("--overhead-records <n>", "records sent both ways; 0: none", wholeNumber(0), 600)
  .option("--upload-mb <n>", "size of the upload; 0: none", wholeNumber(0), 1024)
  .option("--full-disk-records <n>", "records of a batch whose disk is full for a while; 0: none", wholeNumber(0), 300)
  .option("--coordinator-records <n>", "records of a batch whose memory is measured; 0: none", wholeNumber(0), 10_000)
  .option("--cpu-records <n>", "pairs whose CPU time is measured; 0: none", wholeNumber(0), 100)
  .option("--reward <dir>", "the reward model of those pairs (default: the policy)")
  .option("--data <file>", "where they come from", "data/dpo/eval.jsonl")
  .option("--tokens <n>", "longest answer", wholeNumber(1), 32)
  .allowExcessArguments(false)
  .action(async ({ model, reward = model, ...flags }: BatchFlags) => {
    const { benchBatch } = await import("../src/bench/batch/batch.ts");
    const [modelDir, rewardDir] = [await exported(model), await exported(reward)];
    console.log(JSON.stringify(await benchBatch({ ...flags, modelDir, rewardDir, say })));
  });

program
  .command("scale")
  .description("what a job costs and how long it takes, from the CPU time of a record: the tables of docs/scale.md")
  .requiredOption("--ms <n>", "CPU time of a record (bench -- batch --cpu-records)", wholeNumber(1))
  .allowExcessArguments(false)
  .action(async ({ ms }: { ms: number }) => {
    const { scaleTable } = await import("../src/bench/batch/scale.ts");
    for (const row of scaleTable(ms)) console.log(row);
  });

program
  .command("scoring")
  .description("one pass of a process reward model against judging step by step, on the same weights")
  .option("--model <dir>", "a T5 folder, whatever it was trained for", REWARD_DEFAULTS.model)
  .option("--data <dir|file>", "pairs whose sides are scored", "data/dpo")
  .option("--pairs <n>", "how many of them", wholeNumber(1), 100)
  .option("--rounds <n>", "timed rounds of both ways; the median counts", wholeNumber(1), 3)
  .addOption(backendOption())
  .allowExcessArguments(false)
  .action(async ({ model, ...options }: Omit<ScoringBenchOptions, "modelDir"> & { model: string }) => {
    const { benchScoring } = await import("../src/train/checks/speed/scoring.ts");
    console.log(JSON.stringify(await benchScoring({ modelDir: model, ...options })));
  });

program
  .command("train")
  .description("seconds of a training step, in the manner and with the fields of a PyTorch baseline")
  .requiredOption("--model <dir>", "T5 folder; what its weights have learned makes no difference to the time")
  .option("--data <dir|file>", "pairs, in their order", "data/dpo")
  .option("--steps <n>", "steps; the first two do not count towards the median", wholeNumber(1), 12)
  .option("--batch <n>", "pairs a step", wholeNumber(1), 2)
  .option("--workers <n>", "processes that share each step", wholeNumber(1, 64), 1)
  .addOption(
    new Option("--rewards <when>", "score the steps inside every training step, all of them once before, or not at all")
      .choices(REWARDS)
      .default("in-loop"),
  )
  .addOption(new Option("--adapter <kind>", "train a low-rank adapter").choices(ADAPTERS).default("none"))
  .option("--rank <n>", "the adapter's rank", wholeNumber(1), TRAIN_DEFAULTS.loraR)
  .option("--target <names>", "adapted projections", TRAIN_DEFAULTS.loraTargetModules)
  .option("--gradient-checkpointing", "compute each block again in the backward pass", false)
  .addOption(precisionOption())
  .addOption(new Option("--backend <name...>", "what computes; several take turns").choices(BACKENDS).default(["auto"]))
  .option("--peer <file>", "PyTorch baseline that takes turns with them, in its usual and in its best form")
  .option("--python <command>", "what runs it", "python3")
  .option("--rounds <n>", "turns, where several take turns", wholeNumber(1), 3)
  .allowExcessArguments(false)
  .action(async ({ model, rank, target, backend, peer, python, rounds, ...options }: TrainFlags) => {
    const [only = "auto", ...others] = backend;
    if (others.length > 0 || peer !== undefined) {
      const { compareTraining } = await import("../src/train/checks/speed/compare-training.ts");
      const flags = flagsOfOne(process.argv.slice(3));
      const measured = { ...options, modelDir: model };
      const script = import.meta.filename;
      const compared = await compareTraining({ script, flags, backends: backend, peer, python, rounds, measured });
      console.log(JSON.stringify(compared));
      return;
    }
    const { benchTraining } = await import("../src/train/checks/speed/training.ts");
    const own = { modelDir: model, loraR: rank, loraTargetModules: target };
    console.log(JSON.stringify(await benchTraining({ ...options, ...own, backend: only })));
  });

program
  .command("score")
  .description("steps that a reward model scores a second")
  .requiredOption("--model <dir>", "a process reward model, or any other T5 as a zero-shot judge")
  .option("--data <dir|file>", "pairs whose sides are scored", "data/dpo")
  .option("--pairs <n>", "how many of them (default: all)", wholeNumber(1))
  .option("--processes <n>", "processes that score (default: the cores, at most 4, for many pairs)", wholeNumber(1, 64))
  .addOption(precisionOption())
  .addOption(backendOption())
  .allowExcessArguments(false)
  .action(async ({ model, ...options }: Omit<ScoreBenchOptions, "modelDir"> & { model: string }) => {
    const { benchScore } = await import("../src/train/checks/speed/score.ts");
    console.log(JSON.stringify(await benchScore({ modelDir: model, ...options })));
  });

program
  .command("decode")
  .description("time of a token in Node, beside transformers.js on the same weights and threads")
  .requiredOption("--model <dir>", "model folder; exported first if need be")
  .option("--data <dir|file>", "pairs whose prompts are answered", "data/dpo")
  .option("--prompts <n>", "how many of them", wholeNumber(1), 5)
  .option("--tokens <n>", "longest answer", wholeNumber(3), 64)
  .option("--threads <n>", "threads of onnxruntime", wholeNumber(1), 2)
  .allowExcessArguments(false)
  .action(async ({ model, ...options }: Omit<DecodeBenchOptions, "modelDir" | "exportedDir"> & { model: string }) => {
    const { benchDecode } = await import("../src/train/checks/speed/decode.ts");
    const exportedDir = await exported(model);
    console.log(JSON.stringify(await benchDecode({ modelDir: model, exportedDir, ...options })));
  });

program
  .command("search")
  .description("problems solved by searching with step scores, against sampling with as many tokens (docs/search.md)")
  .option("--model <dir>", "policy", "data/models/stepwise-t5-nano")
  .option("--reward-model <dir>", "what scores the steps", "data/models/stepwise-t5-nano-prm")
  .option("--data <dir|file>", "problems: a file, or `heldout` for new ones of the built-in kind", "heldout")
  .option("--problems <n>", "how many", wholeNumber(1), 300)
  .option("--samples <n>", "samples of each problem that sampling's figures are expected from", wholeNumber(1), 24)
  .option("--temperature <t>", "of sampling and of the steps of searches", fraction(0.01, 100), 1)
  .addOption(new Option("--aggregation <name>", "of step scores to a rank").choices(AGGREGATIONS).default("prod"))
  .option("--max-new-tokens <n>", "longest solution", wholeNumber(1), 128)
  .option("--seed <n>", "of problems and samples", wholeNumber(0), 42)
  .addOption(backendOption())
  .allowExcessArguments(false)
  .action(async ({ model, rewardModel, ...options }: SearchFlags) => {
    const { benchSearch } = await import("../src/train/checks/speed/search.ts");
    console.log(JSON.stringify(await benchSearch({ ...options, modelDir: model, rewardModelDir: rewardModel, say })));
  });

program
  .command("parity")
  .description("one batch of a model of any size against PyTorch's log-probs, loss and gradient norm; exit 1 over 1e-3")
  .requiredOption("--model <dir>", "folder with config.json and model.safetensors")
  .requiredOption("--golden <file>", "PyTorch's numbers (docs/benchmarks.md)")
  .addOption(backendOption())
  .allowExcessArguments(false)
  .action(async ({ model, golden, backend }: { model: string; golden: string; backend: BackendChoice }) => {
    const { benchParity } = await import("../src/train/checks/speed/batch-parity.ts");
    const result = await benchParity({ modelDir: model, goldenPath: golden, backend });
    console.log(JSON.stringify(result));
    if (!result.within) process.exitCode = 1;
  });

try {
  await program.parseAsync();
} catch (error) {
  reportFailure(error);
}
process.exit(); // TensorFlow's worker threads would keep the process alive
