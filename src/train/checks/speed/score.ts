// Steps that a reward model scores a second, as training scores them: in processes of one core each, sorted by length.

import { availableParallelism } from "node:os";
import { splitSteps } from "../../../shared/steps.ts";
import { loadPairs } from "../../data/pairs/load-pairs.ts";
import { scoreAll } from "../../reward/scoring/score-all.ts";
import { loadScorer, scoringProcesses } from "../../reward/scoring/scoring-processes.ts";
import type { BackendChoice, Precision } from "../../tensorflow/backends.ts";
import { checkFolder } from "./check-folder.ts";
import { startMeasured } from "./processor.ts";

export interface ScoreBenchOptions {
  /** Folder of a T5: a process reward model, or any other as a zero-shot judge. */
  modelDir: string;
  /** Preference pairs, both of whose sides are scored: a folder or file. */
  data: string;
  /** Pairs to score, the first ones. Default all. */
  pairs?: number | undefined;
  /** Default: one a core for many pairs, as in training. */
  processes?: number | undefined;
  backend?: BackendChoice | undefined;
  precision?: Precision | undefined;
}

export interface ScoreBench {
  bench: "score";
  backend: string;
  threads: number;
  processes: number;
  pairs: number;
  /** Steps of both sides of all pairs, each occurrence counted. */
  steps: number;
  seconds: number;
  /** Of this process: absent where others score. */
  cpu_seconds?: number;
  steps_per_second: number;
  /** Of this process. */
  peak_rss_mb: number;
}

/** Scores once; loading is not counted. Throws InputError when the data holds no pair, ArtifactError for a folder that is no T5. */
export async function benchScore(options: ScoreBenchOptions): Promise<ScoreBench> {
  await checkFolder(options.modelDir);
  const backend = await startMeasured(options.backend, options.precision);
  const pairs = (await loadPairs(options.data)).pairs.slice(0, options.pairs);
  const completions = pairs.flatMap(({ prompt, chosen, rejected }) => [
    { prompt, completion: chosen },
    { prompt, completion: rejected },
  ]);
  const steps = completions.reduce((sum, { completion }) => sum + splitSteps(completion).length, 0);
  const processes = options.processes ?? scoringProcesses(completions.length);
  const scorer = await loadScorer(options.modelDir, processes);
  try {
    const started = performance.now();
    const cpu = process.cpuUsage();
    await scoreAll(scorer, completions, () => {});
    const seconds = (performance.now() - started) / 1000;
    const { user, system } = process.cpuUsage(cpu);
    return {
      bench: "score",
      backend,
      threads: availableParallelism(),
      processes,
      pairs: pairs.length,
      steps,
      seconds,
      ...(processes === 1 && { cpu_seconds: (user + system) / 1e6 }),
      steps_per_second: steps / seconds,
      peak_rss_mb: Math.floor(process.resourceUsage().maxRSS / 1024),
    };
  } finally {
    scorer.dispose();
  }
}
