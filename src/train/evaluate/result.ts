// The one JSON file that `npm run evaluate` writes, and that the report is made from alone. Shares are in [0, 1], log-probs are natural
// logarithms, step indices count from 0. A part that was not measured is null or an empty list, and `left_out` says why.

import { z } from "zod";
import { AGGREGATIONS } from "../../shared/aggregate.ts";
import { ArtifactError } from "../../shared/errors.ts";

export const EVALUATION_FILE = "evaluation.json";
/** Sizes of best-of-N. */
export const BEST_OF = [1, 2, 4, 8, 16] as const;

const count = z.number().int().nonnegative();
const share = z.number().min(0).max(1);

/** A figure with its 95 % interval (percentile bootstrap over problems; over pairs or solutions where these are the units). */
const interval = z.object({ value: z.number(), low: z.number(), high: z.number() });

/** A distribution: `counts[i]` values lie in [edges[i], edges[i + 1]), the last bin closed; so one edge more than counts. */
const histogram = z.object({ edges: z.array(z.number()), counts: z.array(count) });

const role = z.enum(["model", "baseline"]);

const modelInfo = z.object({
  role,
  /** Name for people: the folder's name or the Hub id. */
  name: z.string(),
  /** Folder or Hub id as given. */
  path: z.string(),
  /** Numbers in the weights. */
  parameters: count,
  /** sha256 over all that changes a number (`hashModel`). */
  sha256: z.string(),
});

const rewardModelInfo = z.object({
  name: z.string(),
  path: z.string(),
  /** "judge": a T5 asked about every step (zero-shot); "process": a trained process reward model. */
  type: z.enum(["judge", "process"]),
});

const dataInfo = z.object({
  /** File, or "heldout" for the built-in word problems. */
  source: z.string(),
  /** sha256 of the file; of the drawn problems for "heldout". */
  sha256: z.string(),
  /** Records by format: heldout, problems, rollouts, pairs, stepwise, prm800k, ... */
  formats: z.record(z.string(), count),
  /** Problems that the policies solved, over all seeds, each prompt once. */
  problems: count,
  /** Preference pairs measured. */
  pairs: count,
  /** Solutions with step labels that came with the data. */
  labelled_solutions: count,
  /** Records left out, by reason, and the first of them with their places. */
  dropped: z.record(z.string(), count),
  dropped_records: z.array(z.object({ where: z.string(), reason: z.string(), what: z.string() })),
  overlap: z.object({
    /** What was compared with: training data of the model's run, or --training-data; empty: nothing was found to compare with. */
    training_data: z.array(z.string()),
    /** Prompts of the training data. */
    training_prompts: count,
    /** Evaluation prompts that are among them (case and white space aside); above 0 only with --allow-overlap. */
    prompts: count,
  }),
});

const seedFigures = z.object({
  seed: count,
  problems: count,
  exact_match: share.nullable(),
  answer_accuracy: share.nullable(),
  step_validity: share.nullable(),
});

/** Greedy solutions of one model. */
const policyMetrics = z.object({
  role,
  problems: count,
  /** How a solution is judged: "steps": all steps by the symbolic checker, and the answer; "answer": the final answer alone. */
  exact_match_by: z.enum(["steps", "answer", "mixed"]).nullable(),
  exact_match: interval.nullable(),
  answer_accuracy: interval.nullable(),
  /** Valid steps over written steps (symbolic checker); a solution without steps counts as one step that is not valid. */
  step_validity: interval.nullable(),
  /** `counts[i]`: solutions whose first wrong step is step i; `none`: those without a wrong step; `empty`: those without steps. */
  first_wrong_step: z.object({ counts: z.array(count), none: count, empty: count }).nullable(),
  /** Tokens (EOS included) and steps of a solution, the answer line being a step. */
  length: z.object({ tokens: interval, steps: interval, tokens_histogram: histogram, steps_histogram: histogram }),
  /** Repeated lines over lines, mean over solutions: a line equal to an earlier one of the same solution. */
  repetition_rate: interval,
  /** Repeated 4-grams of words over 4-grams, mean over solutions. */
  repeated_4grams: interval,
  /** The reward model's score (mean of steps) and lowest step, mean over solutions that have steps. */
  reward_score: interval.nullable(),
  reward_min: interval.nullable(),
  /** Solutions counted as wrong for what they lack; `unfinished`: cut at the longest length. */
  counts: z.object({ empty: count, no_steps: count, no_answer: count, unfinished: count }),
  by_seed: z.array(seedFigures),
});

/** Log-probabilities of both sides of the pairs under one model. */
const preferenceMetrics = z.object({
  role,
  pairs: count,
  /** Share with log p(chosen) > log p(rejected); ties count half. */
  accuracy: interval,
  /** The same with log-probs divided by their tokens. */
  accuracy_per_token: interval,
  /** log p(chosen) - log p(rejected). */
  logps_margin: interval,
  logps_margin_per_token: interval,
  logps_chosen: interval,
  logps_rejected: interval,
  /** Of logps_margin; model and baseline share the edges. */
  margin_histogram: histogram,
  /** Implicit reward against the baseline, beta 1: (log p - log p baseline) of chosen minus rejected; null without a baseline. */
  implicit: z.object({ accuracy: interval, margin: interval }).nullable(),
});

/** The reward model on the same pairs: which side it scores higher. */
const pairScores = z.object({
  pairs: count,
  aggregation: z.enum(AGGREGATIONS),
  /** Share with score(chosen) > score(rejected); ties count half. */
  accuracy: interval,
  /** score(chosen) - score(rejected). */
  margin: interval,
  zero: count,
  reversed: count,
  histogram,
});

const firstErrorMeasure = z.object({
  threshold: z.number(),
  /** Share of wrong solutions whose first wrong step is found exactly. */
  wrong_accuracy: share,
  /** Share of right solutions with no step called wrong. */
  right_accuracy: share,
  /** Harmonic mean of the two. */
  f1: share,
});

/** How well the reward model judges steps with known labels. */
const judgeMetrics = z.object({
  /**
   * Whose solutions: "data" (labels of the file), "model" or "baseline" (sampled and greedy, labelled by the symbolic checker),
   * "corrupted" (right solutions of the built-in problems and one with a planted mistake each).
   */
  source: z.enum(["data", "model", "baseline", "corrupted"]),
  solutions: count,
  steps: count,
  /** Share of the steps that are right. */
  right_steps: share,
  /** Area under the ROC curve over all steps; null where only one class is there. */
  auc: interval.nullable(),
  /** The same with, of the wrong steps, only each solution's first. */
  first_error_auc: interval.nullable(),
  /** Steps on the right side of 0.5. */
  accuracy: interval,
  /** Expected calibration error over the bins below. */
  ece: interval,
  /** Mean squared error of the scores against the labels. */
  brier: interval,
  /** Scores in [low, high), the last bin closed; means are null in an empty bin. */
  reliability: z.array(
    z.object({ low: share, high: share, count, mean_score: share.nullable(), share_right: share.nullable() }),
  ),
  /** Step scores of right and of wrong steps. */
  score_histogram: z.object({ right: histogram, wrong: histogram }),
  /** ProcessBench's measure (arXiv:2412.06559): the first step scored below the threshold is called wrong; null without both kinds. */
  process_bench: z
    .object({
      wrong_solutions: count,
      right_solutions: count,
      /** "fixed": --threshold; "cross_fitted": chosen on one half of the problems, measured on the other, and the other way round. */
      threshold_choice: z.enum(["fixed", "cross_fitted"]),
      /** The threshold; the mean of two when cross-fitted. */
      threshold: z.number(),
      wrong_accuracy: interval,
      right_accuracy: interval,
      f1: interval,
      /** The measure over thresholds, on all solutions. */
      curve: z.array(firstErrorMeasure),
    })
    .nullable(),
});

const bestOfMethod = z.enum(["naive", "weighted", "majority", "oracle"]);

/**
 * One curve. naive: the best-scored sample; weighted: the answer with the largest sum of scores; majority: the most frequent answer;
 * oracle: any sample is right (pass@N). The expectation over the subsets of N of the samples drawn.
 */
const bestOfCurve = z.object({
  /** What counts as right: all steps ("exact_match") or the final answer alone ("answer"). */
  measure: z.enum(["exact_match", "answer"]),
  method: bestOfMethod,
  /** null for majority and oracle, which need no score. */
  aggregation: z.enum(AGGREGATIONS).nullable(),
  points: z.array(
    interval.extend({
      n: z.number().int().positive(),
      /** Paired differences to greedy decoding and to majority voting at the same n. */
      over_greedy: interval,
      over_majority: interval,
    }),
  ),
});

const bestOfN = z.object({
  role,
  problems: count,
  /** Samples drawn a problem and seed. */
  samples: z.number().int().positive(),
  temperature: z.number(),
  top_k: count,
  top_p: z.number(),
  /** What scored the samples; null: nothing did (majority and oracle only). */
  scorer: z.string().nullable(),
  /** Greedy decoding on the same problems: the flat line of each measure. */
  greedy: z.object({ exact_match: interval.nullable(), answer: interval }),
  curves: z.array(bestOfCurve),
});

const sampleSolution = z.object({
  /** "gold": the solution that came with the data. */
  source: z.enum(["model", "baseline", "gold"]),
  decoding: z.enum(["greedy", "sampled"]).nullable(),
  text: z.string(),
  steps: z.array(
    z.object({
      text: z.string(),
      /** By the reward model. */
      score: share.nullable(),
      /** Whether the step is right, by the checker or the data; null: not known. */
      right: z.boolean().nullable(),
      /** Why it is not. */
      reason: z.string().nullable(),
    }),
  ),
  /** Mean of the step scores. */
  score: share.nullable(),
  exact: z.boolean().nullable(),
  answer_correct: z.boolean().nullable(),
});

/** One problem with solutions side by side: greedy of the baseline (before) and the model (after), then some samples. */
const sampleProblem = z.object({ prompt: z.string(), gold: z.string().nullable(), solutions: z.array(sampleSolution) });

/** model - baseline on the same problems or pairs. */
const comparisonRow = z.object({
  /** Field of policyMetrics or preferenceMetrics: exact_match, answer_accuracy, step_validity, steps, tokens, repetition_rate, ... */
  metric: z.string(),
  baseline: z.number(),
  model: z.number(),
  /** Paired bootstrap. */
  difference: interval,
  excludes_zero: z.boolean(),
});

const evaluationSchema = z.object({
  format: z.literal(1),
  created: z.iso.datetime(),
  /** The command that gives this result again; null when a library call made it. */
  command: z.string().nullable(),
  seconds: z.number(),
  backend: z.string(),
  /** Each draws its own problems and samples; figures are over all of them together. */
  seeds: z.array(count),
  /** Problems asked for, a seed. */
  problems_per_seed: count.nullable(),
  max_new_tokens: count,
  bootstrap: z.object({ resamples: count, level: z.number(), seed: count }),
  /** The model, and after it the baseline where one is given. */
  models: z.array(modelInfo).min(1).max(2),
  reward_model: rewardModelInfo.nullable(),
  data: dataInfo,
  left_out: z.array(z.object({ part: z.string(), why: z.string() })),
  /** One entry a model, the model first; empty where nothing was solved. */
  policy: z.array(policyMetrics),
  preference: z.array(preferenceMetrics),
  pair_scores: pairScores.nullable(),
  judge: z.array(judgeMetrics),
  best_of_n: z.array(bestOfN),
  samples: z.array(sampleProblem),
  /** Empty without a baseline. */
  comparison: z.array(comparisonRow),
  /** Log of the training run, from trainer_state.json in the model's folder: metrics by name, `step` and `epoch` among them. */
  training: z.array(z.object({ role, log_history: z.array(z.record(z.string(), z.number().nullable())) })),
});

export type Interval = z.infer<typeof interval>;
export type Histogram = z.infer<typeof histogram>;
export type Role = z.infer<typeof role>;
export type ModelInfo = z.infer<typeof modelInfo>;
export type RewardModelInfo = z.infer<typeof rewardModelInfo>;
export type PolicyMetrics = z.infer<typeof policyMetrics>;
export type PreferenceMetrics = z.infer<typeof preferenceMetrics>;
export type PairScoreMetrics = z.infer<typeof pairScores>;
export type JudgeMetrics = z.infer<typeof judgeMetrics>;
export type FirstErrorMeasure = z.infer<typeof firstErrorMeasure>;
export type BestOfN = z.infer<typeof bestOfN>;
export type BestOfCurve = z.infer<typeof bestOfCurve>;
export type BestOfMethod = z.infer<typeof bestOfMethod>;
export type SampleProblem = z.infer<typeof sampleProblem>;
export type SampleSolution = z.infer<typeof sampleSolution>;
export type ComparisonRow = z.infer<typeof comparisonRow>;
export type EvaluationResult = z.infer<typeof evaluationSchema>;

/** Parses evaluation.json. Throws ArtifactError naming the field. */
export function parseEvaluationResult(json: unknown, where = EVALUATION_FILE): EvaluationResult {
  const parsed = evaluationSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new ArtifactError({
    code: "bad_evaluation",
    what: `field "${issue?.path.join(".") ?? ""}": ${issue?.message ?? "invalid"}`,
    where,
    fix: "Evaluate again: npm run evaluate -- --model DIR.",
    cause: parsed.error,
  });
}
