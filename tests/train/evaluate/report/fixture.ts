// A whole evaluation result made by hand: plausible figures, every part present, one text that tries to break out of the page.

import type {
  BestOfCurve,
  BestOfMethod,
  EvaluationResult,
  Histogram,
  Interval,
  JudgeMetrics,
  PolicyMetrics,
  PreferenceMetrics,
  Role,
  SampleProblem,
  SampleSolution,
} from "../../../../src/train/evaluate/result.ts";

/** Text of a data file that must stay text. */
export const HOSTILE = `<script>alert("x")</script> & <img src=x onerror='alert(1)'>`;

const around = (value: number, half: number): Interval => ({ value, low: value - half, high: value + half });

/** A bell of `total` values over `bins` bins of [low, high). */
function bell(
  [low, high]: [number, number],
  bins: number,
  { centre, width, total }: { centre: number; width: number; total: number },
): Histogram {
  const step = (high - low) / bins;
  const edges = Array.from({ length: bins + 1 }, (_, i) => low + i * step);
  const weights = edges.slice(0, -1).map((edge) => Math.exp(-((edge + step / 2 - centre) ** 2) / (2 * width * width)));
  const sum = weights.reduce((all, weight) => all + weight, 0);
  return { edges, counts: weights.map((weight) => Math.round((total * weight) / sum)) };
}

function policy(role: Role): PolicyMetrics {
  const after = role === "model";
  const exact = after ? 0.624 : 0.481;
  return {
    role,
    problems: 3000,
    exact_match_by: "steps",
    exact_match: around(exact, 0.018),
    answer_accuracy: around(exact + 0.021, 0.018),
    step_validity: around(after ? 0.861 : 0.792, 0.009),
    first_wrong_step: {
      counts: after ? [148, 322, 296, 204, 98, 41, 12] : [261, 468, 402, 251, 122, 44, 5],
      none: after ? 1872 : 1443,
      empty: after ? 7 : 4,
    },
    length: {
      tokens: around(after ? 51.2 : 49.8, 0.6),
      steps: around(after ? 4.12 : 4.04, 0.05),
      tokens_histogram: bell([10, 110], 20, { centre: after ? 51 : 50, width: 16, total: 3000 }),
      steps_histogram: bell([1, 9], 8, { centre: 4.5, width: 1.2, total: 3000 }),
    },
    repetition_rate: around(after ? 0.011 : 0.014, 0.002),
    repeated_4grams: around(after ? 0.036 : 0.038, 0.003),
    reward_score: around(after ? 0.842 : 0.781, 0.007),
    reward_min: around(after ? 0.612 : 0.503, 0.012),
    counts: { empty: 0, no_steps: 7, no_answer: 31, unfinished: 12 },
    by_seed: [1, 2, 3].map((seed) => ({
      seed,
      problems: 1000,
      exact_match: exact + (seed - 2) * 0.009,
      answer_accuracy: exact + 0.021 + (seed - 2) * 0.008,
      step_validity: (after ? 0.861 : 0.792) + (seed - 2) * 0.004,
    })),
  };
}

function preference(role: Role): PreferenceMetrics {
  const after = role === "model";
  return {
    role,
    pairs: 400,
    accuracy: around(after ? 0.905 : 0.773, 0.03),
    accuracy_per_token: around(after ? 0.918 : 0.801, 0.029),
    logps_margin: around(after ? 8.4 : 3.1, 0.7),
    logps_margin_per_token: around(after ? 0.19 : 0.07, 0.02),
    logps_chosen: around(after ? -9.8 : -8.9, 0.6),
    logps_rejected: around(after ? -18.2 : -12, 0.8),
    margin_histogram: bell([-15, 30], 30, { centre: after ? 8.4 : 3.1, width: after ? 6.1 : 4.2, total: 400 }),
    implicit: after ? { accuracy: around(0.861, 0.034), margin: around(5.3, 0.5) } : null,
  };
}

const METHODS: readonly { method: BestOfMethod; aggregations: readonly BestOfCurve["aggregation"][] }[] = [
  { method: "naive", aggregations: ["mean", "sum", "min", "prod", "last"] },
  { method: "weighted", aggregations: ["mean", "sum", "min", "prod", "last"] },
  { method: "majority", aggregations: [null] },
  { method: "oracle", aggregations: [null] },
];
const GAIN: Readonly<Record<string, number>> = { mean: 0.11, sum: 0.035, min: 0.142, prod: 0.131, last: 0.074 };

function curves(start: number): BestOfCurve[] {
  const ends = { naive: 0, weighted: 0.012, majority: 0.061, oracle: 0.255 };
  return METHODS.flatMap(({ method, aggregations }) =>
    aggregations.map((aggregation): BestOfCurve => {
      const gain = ends[method] + (aggregation === null ? 0 : (GAIN[aggregation] ?? 0));
      const points = [1, 2, 4, 8, 16].map((n, i) => {
        const value = start - 0.03 + (gain + 0.03) * (1 - Math.exp(-i / 1.6));
        const majority = start - 0.03 + 0.091 * (1 - Math.exp(-i / 1.6));
        return {
          n,
          ...around(value, 0.018),
          over_greedy: around(value - start, 0.012),
          over_majority: around(value - majority, 0.01),
        };
      });
      return { measure: "exact_match", method, aggregation, points };
    }),
  );
}

function judge(source: JudgeMetrics["source"], quality: number): JudgeMetrics {
  return {
    source,
    solutions: 6000,
    steps: 24_310,
    right_steps: 0.81,
    auc: around(quality, 0.006),
    first_error_auc: around(quality - 0.02, 0.008),
    accuracy: around(0.93, 0.004),
    ece: around(0.031, 0.004),
    brier: around(0.058, 0.003),
    reliability: Array.from({ length: 10 }, (_, i) => {
      const middle = (i + 0.5) / 10;
      const count = i === 4 ? 0 : Math.round(200 + 9000 * middle ** 6 + 1500 * (1 - middle) ** 5);
      const right = Math.min(1, Math.max(0, middle + 0.06 * Math.sin(6 * middle)));
      const empty = count === 0;
      return {
        low: i / 10,
        high: (i + 1) / 10,
        count,
        mean_score: empty ? null : middle,
        share_right: empty ? null : right,
      };
    }),
    score_histogram: {
      right: bell([0, 1], 20, { centre: 0.98, width: 0.13, total: 19_700 }),
      wrong: bell([0, 1], 20, { centre: 0.08, width: 0.2, total: 4610 }),
    },
    process_bench: {
      wrong_solutions: 2410,
      right_solutions: 3590,
      threshold_choice: "cross_fitted",
      threshold: 0.42,
      wrong_accuracy: around(0.842, 0.014),
      right_accuracy: around(0.934, 0.008),
      f1: around(0.886, 0.009),
      curve: Array.from({ length: 19 }, (_, i) => {
        const threshold = (i + 1) / 20;
        const wrong_accuracy = 0.88 - 0.9 * (threshold - 0.5) ** 2 - 0.2 * (1 - threshold) ** 4;
        const right_accuracy = 1 - 0.45 * threshold ** 3;
        const f1 = (2 * wrong_accuracy * right_accuracy) / (wrong_accuracy + right_accuracy);
        return { threshold, wrong_accuracy, right_accuracy, f1 };
      }),
    },
  };
}

type Line = readonly [text: string, score: number, right: boolean, reason?: string];

function solution(source: SampleSolution["source"], lines: readonly Line[], exact: boolean): SampleSolution {
  const gold = source === "gold";
  return {
    source,
    decoding: gold ? null : "greedy",
    text: lines.map(([text]) => text).join("\n"),
    steps: lines.map(([text, score, right, reason]) => ({ text, score, right, reason: reason ?? null })),
    score: lines.length === 0 ? null : lines.reduce((sum, [, score]) => sum + score, 0) / lines.length,
    exact,
    answer_correct: exact,
  };
}

function samples(): SampleProblem[] {
  const first: SampleProblem = {
    prompt:
      "Nora has 10 baskets with 5 pens each. She loses 2 pens a day for 3 days. After that she sells half of her pens. How many pens does Nora have in the end?",
    gold: "Nora has 10 * 5 = 50 pens.\nThat is 2 * 3 = 6 pens.\nNora has 50 - 6 = 44 pens.\nNora has 44 / 2 = 22 pens.\nA: 22",
    solutions: [
      solution(
        "baseline",
        [
          ["That is 2 * 3 = 6 pens.", 0.93, true],
          ["Nora has 10 - 6 = 4 pens.", 0.11, false, "not a step of this problem"],
          ["Nora has 4 / 2 = 2 pens.", 0.07, false, "not a step of this problem"],
          ["A: 2", 0.04, false, "wrong answer"],
        ],
        false,
      ),
      solution(
        "model",
        [
          ["Nora has 10 * 5 = 50 pens.", 0.97, true],
          ["That is 2 * 3 = 6 pens.", 0.95, true],
          ["Nora has 50 - 6 = 44 pens.", 0.98, true],
          ["Nora has 44 / 2 = 22 pens.", 0.96, true],
          ["A: 22", 0.99, true],
        ],
        true,
      ),
    ],
  };
  const second: SampleProblem = {
    prompt: `A note on a box reads ${HOSTILE}. Tom has 7 boxes and each holds 9 rings. How many rings does Tom have?`,
    gold: "Tom has 7 * 9 = 63 rings.\nA: 63",
    solutions: [
      solution("baseline", [], false),
      solution(
        "model",
        [
          [`Tom has 7 * 9 = 63 rings. ${HOSTILE}`, 0.62, true],
          ["A: 66", 0.31, false, "wrong answer"],
        ],
        false,
      ),
    ],
  };
  const third: SampleProblem = {
    prompt:
      "Leo has 60 cookies. He gives 29 cookies to Nora and bakes 12 more. He packs them in 4 tins. How many a tin?",
    gold: null,
    solutions: [
      solution(
        "baseline",
        [
          ["Leo has 60 - 29 = 31 cookies.", 0.96, true],
          ["Leo has 31 + 12 = 42 cookies.", 0.44, false, "the equation does not hold"],
          ["A: 42", 0.21, false, "wrong answer"],
        ],
        false,
      ),
      solution(
        "model",
        [
          ["Leo has 60 - 29 = 31 cookies.", 0.97, true],
          ["Leo has 31 + 12 = 43 cookies.", 0.94, true],
          ["Leo has 43 / 4 = 11 cookies.", 0.35, false, "the equation does not hold"],
          ["A: 11", 0.58, false, "wrong answer"],
        ],
        false,
      ),
      {
        ...solution("model", [["Leo has 60 - 12 = 48 cookies.", 0.4, false, "not a step of this problem"]], false),
        decoding: "sampled",
      },
    ],
  };
  return [first, second, third, ...[first, third, first, third].map((sample) => ({ ...sample }))];
}

function trainingLog(): Record<string, number | null>[] {
  const entries: Record<string, number | null>[] = [];
  for (let step = 2; step <= 240; step += 2) {
    const t = step / 240;
    const noise = 0.03 * Math.sin(step * 1.7);
    entries.push({
      step,
      epoch: 3 * t,
      loss: step === 10 ? null : 0.69 - 0.31 * (1 - Math.exp(-3 * t)) + noise,
      "logps/margins": 3.1 + 6 * (1 - Math.exp(-2.5 * t)) + 12 * noise,
      "logps/accuracies": Math.min(1, 0.77 + 0.16 * (1 - Math.exp(-3 * t)) + noise),
    });
    if (step % 40 === 0) {
      entries.push({
        step,
        epoch: 3 * t,
        eval_loss: 0.68 - 0.26 * (1 - Math.exp(-3 * t)),
        "eval_logps/margins": 3.1 + 5.3 * (1 - Math.exp(-2.5 * t)),
        "eval_logps/accuracies": 0.77 + 0.135 * (1 - Math.exp(-3 * t)),
      });
    }
  }
  return entries;
}

/** A result with every part. */
export function evaluationFixture(): EvaluationResult {
  return {
    format: 1,
    created: "2026-03-04T05:06:07Z",
    command: `npm run evaluate -- --model outputs/final --baseline data/models/base --data "${HOSTILE}" --seed 1 2 3`,
    seconds: 412.6,
    backend: "tensorflow",
    seeds: [1, 2, 3],
    problems_per_seed: 1000,
    max_new_tokens: 112,
    bootstrap: { resamples: 2000, level: 0.95, seed: 7 },
    models: [
      {
        role: "model",
        name: "final_stepwise_dpo_model",
        path: "outputs/final_stepwise_dpo_model",
        parameters: 1_650_000,
        sha256: "a".repeat(64),
      },
      { role: "baseline", name: "tiny-t5", path: "data/models/tiny-t5", parameters: 1_650_000, sha256: "b".repeat(64) },
    ],
    reward_model: { name: "reward", path: "outputs/reward", type: "process" },
    data: {
      source: "heldout",
      sha256: "c".repeat(64),
      formats: { heldout: 3000, pairs: 400 },
      problems: 3000,
      pairs: 400,
      labelled_solutions: 0,
      dropped: { no_gold: 2 },
      dropped_records: [{ where: "my.jsonl, line 3", reason: "no_gold", what: `the record ${HOSTILE} has no answer` }],
      overlap: { training_data: ["data/dpo/train.jsonl"], training_prompts: 4100, prompts: 0 },
    },
    left_out: [{ part: "judge on the data", why: "the file has no step labels" }],
    policy: [policy("model"), policy("baseline")],
    preference: [preference("model"), preference("baseline")],
    pair_scores: {
      pairs: 400,
      aggregation: "mean",
      accuracy: around(0.962, 0.019),
      margin: around(0.31, 0.02),
      zero: 3,
      reversed: 12,
      histogram: bell([-0.4, 1], 28, { centre: 0.31, width: 0.2, total: 400 }),
    },
    judge: [judge("model", 0.962), judge("corrupted", 0.981)],
    best_of_n: (["model", "baseline"] as const).map((role) => {
      const greedy = role === "model" ? 0.624 : 0.481;
      return {
        role,
        problems: 3000,
        samples: 16,
        temperature: 0.8,
        top_k: 0,
        top_p: 1,
        scorer: "reward",
        greedy: { exact_match: around(greedy, 0.018), answer: around(greedy + 0.021, 0.018) },
        curves: curves(greedy),
      };
    }),
    samples: samples(),
    comparison: [
      ["exact_match", 0.481, 0.624, 0.017],
      ["answer_accuracy", 0.502, 0.645, 0.017],
      ["step_validity", 0.792, 0.861, 0.008],
      ["repetition_rate", 0.014, 0.011, 0.0025],
      ["steps", 4.04, 4.12, 0.1],
      ["tokens", 49.8, 51.2, 0.7],
      ["preference_accuracy", 0.773, 0.905, 0.035],
      ["logps_margin", 3.1, 8.4, 0.6],
    ].map(([metric, baseline, model, half]) => {
      const difference = around(Number(model) - Number(baseline), Number(half));
      return {
        metric: String(metric),
        baseline: Number(baseline),
        model: Number(model),
        difference,
        excludes_zero: difference.low > 0 || difference.high < 0,
      };
    }),
    training: [{ role: "model", log_history: trainingLog() }],
  };
}

/** The least that the schema takes: one model, nothing measured. */
export function emptyFixture(): EvaluationResult {
  const whole = evaluationFixture();
  return {
    ...whole,
    command: null,
    problems_per_seed: null,
    models: whole.models.slice(0, 1),
    reward_model: null,
    data: { ...whole.data, problems: 0, pairs: 0, dropped: {}, dropped_records: [] },
    left_out: [],
    policy: [],
    preference: [],
    pair_scores: null,
    judge: [],
    best_of_n: [],
    samples: [],
    comparison: [],
    training: [],
  };
}
