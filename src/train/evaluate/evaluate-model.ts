// An evaluation from options to its result, top to bottom: load problems, refuse those that were trained on, run the model and the
// baseline, score steps, and compute every figure with its interval.

import { InputError } from "../../shared/errors.ts";
import { countReasons } from "../data/read-pairs.ts";
import { resolveModelWithProgress } from "../hub/resolve-model-with-progress.ts";
import { createProgress } from "../progress.ts";
import type { Completion } from "../reward/llm-reward-model.ts";
import { loadRewardModel } from "../reward/reward-model.ts";
import { readRewardModelFile } from "../reward/reward-model-file.ts";
import { describeBackend, startTensorflow } from "../tensorflow.ts";
import { bestOfCurves, type SampledItem } from "./best-of-n-metrics.ts";
import { columnOf, createResampler, hasObservations, type Resampler } from "./bootstrap.ts";
import type { CheckedText } from "./check-text.ts";
import { compareColumns } from "./compare.ts";
import { sharedEdges } from "./histogram.ts";
import type { EvaluationItem } from "./items.ts";
import { type JudgedSteps, judgeMetrics } from "./judge-metrics.ts";
import { HELDOUT, type LoadedItems, loadItems } from "./load-items.ts";
import { type ModelRun, type ModelToRun, modelName, runModel } from "./model-run.ts";
import { type EvaluateOptions, type EvaluationSettings, resolveOptions } from "./options.ts";
import { checkOverlap, trainingDataOf } from "./overlap.ts";
import { pairScoreMetrics, wholeSides } from "./pair-score-metrics.ts";
import { policyColumns, policyMetrics, type SolvedItems } from "./policy-metrics.ts";
import { margin, preferenceColumns, preferenceMetrics } from "./preference-metrics.ts";
import type { BestOfN, EvaluationResult, JudgeMetrics, RewardModelInfo } from "./result.ts";
import { sampleProblems } from "./sample-problems.ts";
import { NO_SCORES, type StepScores, scoreSteps } from "./step-scores.ts";

export type { EvaluateOptions } from "./options.ts";

/**
 * Measures a model, and a baseline beside it, on problems. Writes nothing. Throws InputError for options or data that cannot be used,
 * for problems that were trained on (`overlap`), and when the signal stops it (`interrupted`).
 */
export async function evaluateModel(options: EvaluateOptions): Promise<EvaluationResult> {
  try {
    return await evaluate(options);
  } catch (error) {
    if (options.signal?.aborted !== true) throw error;
    const fix = "Run the same command again.";
    throw new InputError({ code: "interrupted", what: "stopped; nothing was written", fix, cause: error });
  }
}

async function evaluate(options: EvaluateOptions): Promise<EvaluationResult> {
  const started = performance.now();
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
  const trainingData = options.trainingData ?? (await trainingDataOf(dirs));
  const overlap = await checkOverlap(
    items.map(({ prompt }) => prompt),
    trainingData,
    settings.allowOverlap,
  );
  if (trainingData.length === 0)
    left.push({ part: "overlap", why: "no training data was named (--training-data), and no run names its own" });

  const plan = whatToDo(items, settings, rewardDir !== undefined, left);
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
  const scores = rewardDir === undefined ? NO_SCORES : await scoreEverything(rewardDir, items, runs, plan, settings);

  const resampler = createResampler(items.length, { resamples: settings.resamples });
  const policy = policyPart(runs, items, scores, { resampler, bySeed });
  const preference = preferencePart(runs, items.length, resampler);
  const rewardModel = rewardDir === undefined ? null : await rewardInfo(rewardDir, options.rewardModel ?? rewardDir);
  return {
    format: 1,
    created: new Date().toISOString(),
    command: options.command ?? null,
    seconds: (performance.now() - started) / 1000,
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
      ? runs.map((run) => bestOfPart(run, items, scores, { resampler, settings, rewardModel, policy }))
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

interface Plan {
  policy: boolean;
  preference: boolean;
  judge: boolean;
  bestOfN: boolean;
  /** Whether solutions are needed at all. */
  solve: boolean;
}

/** What the data and the reward model allow; says of the rest why it is left out. */
function whatToDo(
  items: readonly EvaluationItem[],
  { parts }: EvaluationSettings,
  hasRewardModel: boolean,
  left: EvaluationResult["left_out"],
): Plan {
  const allowed = (part: Parameters<typeof parts.has>[0], isPossible: boolean, why: string): boolean => {
    if (!parts.has(part)) return false;
    if (!isPossible) left.push({ part, why });
    return isPossible;
  };
  const hasAnswers = items.some(({ gold, answer }) => gold !== null || answer !== null);
  const hasGold = items.some(({ gold }) => gold !== null);
  const hasLabels = items.some(({ labelled }) => labelled.length > 0);
  const policy = allowed("policy", true, "");
  if (policy && !hasAnswers)
    left.push({ part: "exact_match", why: "the data hold no right solution and no final answer" });
  if (policy && !hasGold)
    left.push({ part: "step_validity", why: "the data hold no right solution that the symbolic checker can read" });
  const preference = allowed(
    "preference",
    items.some(({ pairs }) => pairs.length > 0),
    "the data hold no pairs",
  );
  if (preference && !hasRewardModel) left.push({ part: "pair_scores", why: "no reward model was given" });
  const judge =
    allowed("judge", hasRewardModel, "no reward model was given") &&
    allowed("judge", hasLabels || hasGold, "the data hold no step labels and no right solution for the checker");
  const bestOfN = allowed("best-of-n", hasAnswers, "the data hold no right solution and no final answer");
  if (bestOfN && !hasRewardModel) left.push({ part: "best-of-n: naive, weighted", why: "no reward model was given" });
  return { policy, preference, judge, bestOfN, solve: policy || bestOfN || (judge && hasGold) };
}

async function rewardInfo(dir: string, path: string): Promise<RewardModelInfo> {
  const isProcess = (await readRewardModelFile(dir)) !== undefined;
  return { name: modelName({ dir, path }), path, type: isProcess ? "process" : "judge" };
}

/** Scores all texts that any part needs: solutions, both sides of pairs, labelled solutions, gold. */
async function scoreEverything(
  dir: string,
  items: readonly EvaluationItem[],
  runs: readonly ModelRun[],
  plan: Plan,
  { signal, aggregation }: EvaluationSettings,
): Promise<StepScores> {
  const solutions = runs.flatMap(({ checked, sampled }) => [
    ...checked.map(({ text }, unit) => ({ unit, text })),
    ...sampled.flatMap((run) =>
      run.indices.flatMap((unit, i) => (run.checked[i] ?? []).map(({ text }) => ({ unit, text }))),
    ),
  ]);
  const given = items.flatMap((item, unit) => [
    ...(plan.preference ? item.pairs.flatMap((pair) => Object.values(wholeSides(pair))) : []).map((text) => ({
      unit,
      text,
    })),
    ...(plan.judge ? item.labelled.map(({ steps }) => ({ unit, text: steps.join("\n") })) : []),
    ...(plan.solve && item.gold !== null ? [{ unit, text: item.gold }] : []),
  ]);
  const completions = [...solutions, ...given].map(
    ({ unit, text }): Completion => ({ prompt: items[unit]?.prompt ?? "", completion: text }),
  );
  const rewardModel = await loadRewardModel(dir, { aggregation });
  try {
    return await scoreSteps(rewardModel, completions, signal);
  } finally {
    rewardModel.dispose();
  }
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

interface PolicyPart {
  metrics: EvaluationResult["policy"];
  columns: ReturnType<typeof policyColumns>[];
}

function policyPart(
  runs: readonly ModelRun[],
  items: readonly EvaluationItem[],
  scores: StepScores,
  { resampler, bySeed }: { resampler: Resampler; bySeed: LoadedItems["bySeed"] },
): PolicyPart {
  const solved = runs
    .filter(({ greedy }) => greedy.length > 0)
    .map(({ info, greedy, checked }): SolvedItems => ({ role: info.role, items, greedy, checked }));
  const columns = solved.map((own) => policyColumns(own, scores));
  const metrics = solved.flatMap((own, i) =>
    columns[i] === undefined ? [] : [policyMetrics(own, columns[i], resampler, bySeed)],
  );
  return { metrics, columns };
}

function preferencePart(
  runs: readonly ModelRun[],
  size: number,
  resampler: Resampler,
): { metrics: EvaluationResult["preference"]; columns: ReturnType<typeof preferenceColumns>[] } {
  const measured = runs.filter(({ pairs }) => pairs.length > 0);
  const edges = sharedEdges(measured.map(({ pairs }) => pairs.map(margin)));
  const columns = measured.map(({ pairs }) => preferenceColumns(pairs, size));
  const baseline = measured.find(({ info }) => info.role === "baseline");
  const metrics = measured.flatMap(({ info, pairs }, i) => {
    const reference = info.role === "model" ? baseline?.pairs : undefined;
    const own = columns[i];
    return own === undefined ? [] : [preferenceMetrics(info.role, pairs, own, { resampler, edges, reference })];
  });
  return { metrics, columns };
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

/** Judge figures on the solutions of the data, and on each model's own where the checker labels them. */
function judgePart(
  runs: readonly ModelRun[],
  { items, source }: LoadedItems,
  scores: StepScores,
  { resampler, threshold }: { resampler: Resampler; threshold: number | null },
): JudgeMetrics[] {
  const judged = (unit: number, text: string, labels: readonly (boolean | null)[]): JudgedSteps[] => {
    const own = scores(items[unit]?.prompt ?? "", text);
    return own === undefined || own.length === 0 ? [] : [{ unit, scores: own, labels }];
  };
  const given = items.flatMap(({ labelled }, unit) =>
    labelled.flatMap(({ steps, labels }) => judged(unit, steps.join("\n"), labels)),
  );
  const ownOf = ({ checked, sampled }: ModelRun): JudgedSteps[] => {
    const solutions = [
      ...checked.map((solution, unit) => ({ solution, unit })),
      ...sampled.flatMap((run) =>
        run.indices.flatMap((unit, i) => (run.checked[i] ?? []).map((solution) => ({ solution, unit }))),
      ),
    ].filter(({ unit }) => items[unit]?.gold !== null);
    // each text once a problem, however often it was sampled
    const distinct = new Map(solutions.map((own) => [JSON.stringify([own.unit, own.solution.text]), own]));
    return [...distinct.values()].flatMap(({ solution, unit }) =>
      judged(
        unit,
        solution.text,
        solution.steps.map(({ right }) => right),
      ),
    );
  };
  const options = { size: items.length, resampler, threshold };
  return [
    judgeMetrics(source === HELDOUT ? "corrupted" : "data", given, options),
    ...runs.map((run) => judgeMetrics(run.info.role, ownOf(run), options)),
  ].flatMap((metrics) => metrics ?? []);
}

function bestOfPart(
  run: ModelRun,
  items: readonly EvaluationItem[],
  scores: StepScores,
  context: {
    resampler: Resampler;
    settings: EvaluationSettings;
    rewardModel: RewardModelInfo | null;
    policy: PolicyPart;
  },
): BestOfN {
  const { resampler, settings, rewardModel } = context;
  const isKnown = (unit: number): boolean => items[unit]?.gold !== null || items[unit]?.answer !== null;
  const sampled = run.sampled.flatMap(({ indices, checked }) =>
    indices.flatMap((unit, i): SampledItem[] => {
      const samples = checked[i] ?? [];
      const prompt = items[unit]?.prompt ?? "";
      return isKnown(unit) ? [{ unit, samples, stepScores: samples.map(({ text }) => scores(prompt, text)) }] : [];
    }),
  );
  const drawn = new Set(sampled.map(({ unit }) => unit));
  const greedyColumn = (of: (checked: CheckedText) => boolean | null, needsGold: boolean) =>
    columnOf(
      run.checked.map((checked, unit) =>
        drawn.has(unit) && (!needsGold || items[unit]?.gold !== null) ? of(checked) : null,
      ),
    );
  const greedy = {
    exact_match: greedyColumn(({ exact }) => exact, true),
    answer: greedyColumn(({ answerCorrect }) => answerCorrect, false),
  };
  const bar = createProgress({ title: `best of N (${run.info.name})`, total: sampled.length });
  try {
    return {
      role: run.info.role,
      problems: drawn.size,
      samples: settings.samples,
      temperature: settings.sampling.temperature,
      top_k: settings.sampling.topK,
      top_p: settings.sampling.topP,
      scorer: rewardModel?.name ?? null,
      greedy: {
        exact_match: hasObservations(greedy.exact_match) ? resampler.mean(greedy.exact_match) : null,
        answer: resampler.mean(greedy.answer),
      },
      curves: bestOfCurves(sampled, {
        size: items.length,
        ns: settings.bestOf,
        scored: rewardModel !== null,
        resampler,
        seed: settings.seeds[0] ?? 0,
        greedy,
        onProgress: (done) => bar.update(done),
      }),
    };
  } finally {
    bar.stop();
  }
}
