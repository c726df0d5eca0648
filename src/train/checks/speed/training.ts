// Seconds of a training step, on the pairs in their order (two a step, unless told), as the usual PyTorch trainer does it (docs/benchmarks.md):
// tokenizing, scores, loss, gradients, clipping, update. What the weights have learned makes no difference to the time.

import { availableParallelism } from "node:os";
import type { Pair } from "../../../shared/records.ts";
import { loadPairs } from "../../data/pairs/load-pairs.ts";
import { preparePairs } from "../../data/pairs/tokenize-pairs.ts";
import { createAdamW } from "../../optim/adamw.ts";
import { applyGradients } from "../../optim/gradients.ts";
import { threadsOf } from "../../optim/workers.ts";
import { resolveTrainConfig, type TrainConfig } from "../../recipes/dpo/config.ts";
import type { ScoredPair } from "../../recipes/dpo/pair-loss.ts";
import { pairWork, startPairGradients } from "../../recipes/dpo/share-pairs.ts";
import { createTrainable } from "../../recipes/dpo/trainable.ts";
import { scoresInOrder } from "../../reward/scoring/score-all.ts";
import { loadScorer, type Scorer, scoringProcesses } from "../../reward/scoring/scoring-processes.ts";
import { loadModel, loadTokenizer } from "../../store/model-folder.ts";
import { tf } from "../../tensorflow/tensorflow.ts";
import { checkFolder } from "./check-folder.ts";
import { median } from "./median.ts";
import { startMeasured } from "./processor.ts";
import type { REWARDS } from "./rewards.ts";

export interface TrainingBenchOptions
  extends Partial<Pick<TrainConfig, "adapter" | "loraR" | "loraAlpha" | "loraTargetModules" | "gradientCheckpointing">>,
    Partial<Pick<TrainConfig, "backend" | "precision">> {
  /** Folder of a T5; its own judge. */
  modelDir: string;
  /** Preference pairs: a folder or file. */
  data: string;
  /** Timed steps; the first two do not count towards the median. Default 12. */
  steps?: number | undefined;
  /** Pairs a step. Default 2. */
  batch?: number | undefined;
  /** Processes that share each step. Default 1. */
  workers?: number | undefined;
  /** Default "in-loop". */
  rewards?: (typeof REWARDS)[number] | undefined;
}

/** The fields that the PyTorch baseline prints, and what computed. */
export interface TrainingBench {
  bench: "train";
  backend: string;
  precision: string;
  adapter: string;
  rewards: string;
  threads: number;
  steps: number;
  pairs_per_step: number;
  workers: number;
  seconds_per_step_median: number;
  /** Processor time of all threads, steadier than the clock on a busy machine; null where other processes take part. */
  cpu_seconds_per_step_median: number | null;
  seconds_total: number;
  reward_seconds: number;
  tokens_per_second: number;
  peak_rss_mb: number;
}

const FIXED_MARGIN = 0.3;
const WARM_UP_STEPS = 2;

/** Trains in memory and saves nothing. Throws InputError when the data holds too few pairs, ArtifactError for a folder that is no T5. */
export async function benchTraining(options: TrainingBenchOptions): Promise<TrainingBench> {
  const {
    modelDir,
    data,
    steps: wanted = 12,
    batch: size = 2,
    workers = 1,
    rewards = "in-loop",
    ...settings
  } = options;
  await checkFolder(modelDir);
  const config = resolveTrainConfig(undefined, {
    ...settings,
    model: modelDir,
    data,
    perDeviceTrainBatchSize: size,
    workers,
  });
  const backend = await startMeasured(config.backend, config.precision, threadsOf(workers));
  const pairs = (await loadPairs(data)).pairs.slice(0, size * wanted);
  const steps = Math.floor(pairs.length / size);
  const base = await loadModel(modelDir);
  const tokenizer = await loadTokenizer(modelDir, base.config);
  const processes = rewards === "once" ? scoringProcesses(2 * pairs.length) : 1;
  const judge = rewards === "off" ? undefined : await loadScorer(modelDir, processes);
  const scoring = performance.now();
  const scoredOnce = rewards === "once" && judge !== undefined ? await margins(judge, pairs) : undefined;
  const rewardSeconds = (performance.now() - scoring) / 1000;
  if (rewards === "once") judge?.dispose();
  const trainable = await createTrainable(config, base, undefined);
  const optimizer = createAdamW(trainable.initial, {
    beta1: config.adamBeta1,
    beta2: config.adamBeta2,
    epsilon: config.adamEpsilon,
    weightDecay: config.weightDecay,
  });
  const { frozen } = trainable;
  const trained = optimizer.parameters();
  const parallel = startPairGradients({ processes: workers, config: base.config, trained, frozen });
  const times: number[] = [];
  const cpuTimes: number[] = [];
  let tokens = 0;
  try {
    for (let step = 0; step < steps; step++) {
      const at = step * size;
      const batch = pairs.slice(at, at + size);
      const started = performance.now();
      const cpu = process.cpuUsage();
      const ofBatch =
        rewards === "in-loop" && judge !== undefined
          ? await margins(judge, batch)
          : (scoredOnce?.slice(at, at + size) ?? batch.map(() => FIXED_MARGIN));
      const prepared = preparePairs(batch, tokenizer, config).pairs;
      const scored = prepared.map((pair, i): ScoredPair => ({ ...pair, margin: ofBatch[i] ?? FIXED_MARGIN }));
      const work = pairWork([scored], workers, config);
      const { gradients, figures } = await parallel.gradients(optimizer.parameters(), work);
      applyGradients(optimizer, gradients, config);
      times.push((performance.now() - started) / 1000);
      const { user, system } = process.cpuUsage(cpu);
      cpuTimes.push((user + system) / 1e6);
      tokens += figures.tokens;
    }
  } finally {
    parallel.stop();
    optimizer.dispose();
    trainable.dispose();
    tf.dispose(trainable.initial);
    if (rewards === "in-loop") judge?.dispose();
  }
  const total = times.reduce((sum, time) => sum + time, 0);
  const skipped = Math.min(WARM_UP_STEPS, steps - 1);
  return {
    bench: "train",
    backend,
    precision: config.precision,
    adapter: config.adapter,
    rewards,
    threads: availableParallelism(),
    steps,
    pairs_per_step: size,
    workers,
    seconds_per_step_median: median(times.slice(skipped)),
    cpu_seconds_per_step_median: workers === 1 ? median(cpuTimes.slice(skipped)) : null,
    seconds_total: total,
    reward_seconds: rewards === "once" ? rewardSeconds : 0,
    tokens_per_second: tokens / total,
    peak_rss_mb: Math.floor(process.resourceUsage().maxRSS / 1024),
  };
}

async function margins(judge: Scorer, pairs: readonly Pair[]): Promise<number[]> {
  const scores = await scoresInOrder(
    judge,
    pairs.flatMap(({ prompt, chosen, rejected }) => [
      { prompt, completion: chosen },
      { prompt, completion: rejected },
    ]),
  );
  return pairs.map((_, i) => (scores[2 * i]?.score ?? Number.NaN) - (scores[2 * i + 1]?.score ?? Number.NaN));
}
