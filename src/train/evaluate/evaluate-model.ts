// An evaluation from options to its result, top to bottom: load problems, refuse those that were trained on, run the model and the
// baseline, score steps, and compute every figure with its interval.

import { CapacityError } from "../../shared/errors.ts";
import { countReasons } from "../data/pairs/read-pairs.ts";
import { type LoadedItems, loadItems } from "../data/problems/load-items.ts";
import { resolveModelWithProgress } from "../store/hub/resolve-model-with-progress.ts";
import { modelName } from "../store/model-id.ts";
import { readRewardModelFile } from "../store/reward-model-file.ts";
import { describeBackend, startTensorflow } from "../tensorflow/tensorflow.ts";
import { bestOfPart } from "./best-of-part.ts";
import { judgePart } from "./judge-part.ts";
import { createResampler } from "./metrics/bootstrap.ts";
import { compareColumns } from "./metrics/compare.ts";
import { pairScoreMetrics } from "./metrics/pair-score-metrics.ts";
import { type ModelRun, type ModelToRun, runModel } from "./model-run.ts";
import { type EvaluateOptions, resolveOptions } from "./options.ts";
import { checkOverlap, namedTrainingData, trainingDataOf } from "./overlap.ts";
import { planEvaluation } from "./plan.ts";
import { policyPart, preferencePart } from "./policy-part.ts";
import type { EvaluationResult, RewardModelInfo } from "./result.ts";
import { sampleProblems } from "./sample-problems.ts";
import { scoreTexts } from "./score-texts.ts";
import { NO_SCORES } from "./step-scores.ts";

export type { EvaluateOptions } from "./options.ts";

/**
 * Measures a model, and a baseline beside it, on problems. Writes nothing. Throws InputError for options or data that cannot be used,
 * for problems that were trained on (`overlap`), CapacityError `interrupted` when the signal stops it.
 */
export async function evaluateModel(options: EvaluateOptions): Promise<EvaluationResult> {
  const started = performance.now();
  try {
    const result = await evaluate(options);
    return { ...result, seconds: (performance.now() - started) / 1000 };
  } catch (error) {
    if (options.signal?.aborted !== true) throw error;
    const fix = "Run the same command again.";
    throw new CapacityError({ code: "interrupted", what: "stopped; nothing was written", fix, cause: error });
  }
}

async function evaluate(options: EvaluateOptions): Promise<Omit<EvaluationResult, "seconds">> {
  const settings = resolveOptions(options);
  const { signal, log } = settings;
  const loaded = await loadItems(settings);
  const { items, bySeed } = loaded;
  log(`data: ${items.length} problems of ${loaded.source}, ${loaded.dropped.length} records left out`);
  const left: EvaluationResult["left_out"] = [];

  const models: ModelToRun[] = [{ role: "model", dir: await localDir(options.model), path: options.model }];
  if (options.baseline !== undefined)
    models.push({ role: "baseline", dir: await localDir(options.baseline), path: options.baseline });
  const rewardDir = options.rewardModel === undefined ? undefined : await localDir(options.rewardModel);
  const dirs = [...models.map(({ dir }) => dir), ...(rewardDir === undefined ? [] : [rewardDir])];
  const named = await trainingDataOf(dirs);
  const trainingData = options.trainingData ? await namedTrainingData(options.trainingData) : named.found;
  const overlap = await checkOverlap(
    items.map(({ prompt }) => prompt),
    trainingData,
    settings.allowOverlap,
  );
  if (trainingData.length === 0) {
    const gone =
      named.missing.length > 0
        ? `the data of the run are not there: ${named.missing.join(", ")}`
        : "no run names its own";
    left.push({ part: "overlap", why: `no training data was named (--training-data), and ${gone}` });
  }

  if (trainingData.length > 0 && overlap.training_prompts === 0) {
    const files = overlap.training_data.join(", ");
    left.push({ part: "overlap", why: `no prompt could be read from the training data: ${files}` });
  }
  const plan = planEvaluation(items, settings.parts, rewardDir !== undefined, left);
  const backend = await startTensorflow(settings.backend);
  log(`backend: ${describeBackend(backend)}`);
  const runs: ModelRun[] = [];
  for (const model of models) {
    const samplePlan = { samples: settings.samples, sampling: settings.sampling, bySeed };
    const own = { ...plan, plan: plan.bestOfN ? samplePlan : undefined };
    runs.push(await runModel(model, items, { ...own, maxNewTokens: settings.maxNewTokens, signal }));
  }
  for (const [reason, count] of Object.entries(runs[0]?.droppedPairs ?? {}))
    left.push({ part: "preference", why: `${count} pairs: ${reason}` });
  const scores = rewardDir === undefined ? NO_SCORES : await scoreTexts(rewardDir, { items, runs, plan }, settings);

  const resampler = createResampler(items.length, { resamples: settings.resamples });
  const policy = policyPart(runs, items, scores, { resampler, bySeed });
  const preference = preferencePart(runs, items.length, resampler);
  const rewardModel = rewardDir === undefined ? null : await rewardInfo(rewardDir, options.rewardModel ?? rewardDir);
  return {
    format: 1,
    created: new Date().toISOString(),
    command: options.command ?? null,
    backend,
    seeds: [...settings.seeds],
    problems_per_seed: settings.problems,
    max_new_tokens: settings.maxNewTokens,
    bootstrap: { resamples: settings.resamples, level: 0.95, seed: 42 },
    models: runs.map(({ info }) => info),
    reward_model: rewardModel,
    data: dataInfo(loaded, runs, overlap),
    left_out: left,
    policy: plan.policy ? policy.metrics : [],
    preference: preference.metrics,
    pair_scores:
      (plan.preference && pairScoreMetrics(items, scores, { aggregation: settings.aggregation, resampler })) || null,
    judge: plan.judge ? judgePart(runs, loaded, scores, { resampler, threshold: settings.threshold }) : [],
    best_of_n: plan.bestOfN
      ? runs.map((run) => bestOfPart(run, items, scores, { resampler, settings, scorer: rewardModel?.name ?? null }))
      : [],
    samples: plan.solve
      ? sampleProblems(
          items,
          runs.map(({ info, checked, sampled }) => ({
            role: info.role,
            greedy: checked,
            sampled: new Map(sampled[0]?.indices.map((unit, i) => [unit, sampled[0]?.checked[i] ?? []])),
          })),
          scores,
          settings.shownProblems,
        )
      : [],
    comparison: [
      ...(plan.policy && policy.columns[1]
        ? compareColumns(policy.columns[0] ?? {}, policy.columns[1], resampler)
        : []),
      ...(preference.columns[1]
        ? compareColumns(prefixed(preference.columns[0] ?? {}), prefixed(preference.columns[1]), resampler)
        : []),
    ],
    training: runs.flatMap(({ training }) => training),
  };

  function localDir(idOrDir: string): Promise<string> {
    return resolveModelWithProgress(idOrDir, { signal });
  }
}

async function rewardInfo(dir: string, path: string): Promise<RewardModelInfo> {
  const isProcess = (await readRewardModelFile(dir)) !== undefined;
  return { name: modelName(path, dir), path, type: isProcess ? "process" : "judge" };
}

function dataInfo(
  { source, sha256, formats, items, dropped }: LoadedItems,
  runs: readonly ModelRun[],
  overlap: EvaluationResult["data"]["overlap"],
): EvaluationResult["data"] {
  return {
    source,
    sha256,
    formats,
    problems: items.length,
    pairs: runs[0]?.pairs.length ?? 0,
    labelled_solutions: items.reduce((sum, { labelled }) => sum + labelled.length, 0),
    dropped: countReasons(dropped),
    dropped_records: dropped.slice(0, 200),
    overlap,
  };
}

/** Names of preference figures in the comparison: `accuracy` alone would say too little. */
function prefixed<Column>(columns: Readonly<Record<string, Column>>): Record<string, Column> {
  return Object.fromEntries(
    Object.entries(columns).map(([name, column]) => [
      name.startsWith("accuracy") ? `preference_${name}` : name,
      column,
    ]),
  );
}
