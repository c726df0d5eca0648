// One variant with one seed: pairs of the shared samples, a training run, and its figures; what is there from before is kept.

import { createHash } from "node:crypto";
import { createReadStream, existsSync, statSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { z } from "zod";
import type { EvaluationItem } from "../../data/problems/items.ts";
import { readJson } from "../../io/read-json.ts";
import { writeText } from "../../io/write-text.ts";
import type { Scorer } from "../../reward/scoring/scoring-processes.ts";
import type { BackendChoice } from "../../tensorflow/backends.ts";
import { resolveTrainConfig } from "../dpo/config.ts";
import { trainStepwiseDpo } from "../dpo/recipe.ts";
import { pairsOfKind } from "../rollout/pair-kinds.ts";
import type { Rollout } from "../rollout/rollout.ts";
import { scoreRollouts } from "../rollout/score-rollouts.ts";
import { isEvalPrompt, withoutScores } from "../rollout/write-rollouts.ts";
import { type Figures, figuresSchema, measurePolicy } from "./figures.ts";
import type { AblationPlan, AblationVariant } from "./plan.ts";

const outcomeSchema = z.object({
  /** Of everything that the outcome depends on. */
  key: z.string(),
  pairs: z.number(),
  steps: z.number(),
  train_seconds: z.number(),
  figures: figuresSchema,
});
export type VariantOutcome = z.infer<typeof outcomeSchema>;

export interface VariantContext {
  plan: AblationPlan;
  /** Identifies the samples. */
  rolloutKey: string;
  rollouts: () => Promise<readonly Rollout[]>;
  rewardModel: () => Promise<Scorer>;
  items: readonly EvaluationItem[];
  seed: number;
  outputDir: string;
  backend: BackendChoice;
  log: (line: string) => void;
  signal?: AbortSignal | undefined;
}

/** Part of the prompts whose pairs are kept for the run's own evaluation. */
const EVAL_FRACTION = 0.1;

async function writePairs(variant: AblationVariant, context: VariantContext, dir: string): Promise<number> {
  const { pairs } = variant;
  if (typeof pairs === "string") throw new TypeError("writePairs: the variant brings its own pairs");
  const { kind, scorer, aggregation } = pairs;
  const asks = scorer === "judge" || scorer === "both";
  const rewardModel = asks ? await context.rewardModel() : undefined;
  const scored = await scoreRollouts(await context.rollouts(), { scorer, aggregation, rewardModel });
  const made = pairsOfKind(scored, kind, {
    maxPairsPerProblem: pairs.max_pairs_per_problem,
    requireRight: pairs.require_right,
  });
  const lines = (evaluation: boolean): string =>
    made.pairs
      .filter(({ prompt }) => isEvalPrompt(prompt, EVAL_FRACTION) === evaluation)
      .map((pair) => `${JSON.stringify(pairs.scored_by === "train" ? withoutScores(pair) : pair)}\n`)
      .join("");
  await writeText(join(dir, "train.jsonl"), lines(false));
  await writeText(join(dir, "eval.jsonl"), lines(true));
  return made.pairs.length;
}

/** sha256 of the files of pairs that a variant brings, which may change under the same name. */
export async function hashPairs(path: string): Promise<string[]> {
  const files = existsSync(join(path, "train.jsonl"))
    ? ["train.jsonl", "eval.jsonl"].map((file) => join(path, file))
    : [path];
  return Promise.all(
    files.map(async (file) => {
      const hash = createHash("sha256");
      if (existsSync(file) && !statSync(file).isDirectory()) await pipeline(createReadStream(file), hash);
      return hash.digest("hex");
    }),
  );
}

/** Runs the variant, or reads its outcome where the same run was finished before. */
export async function runVariant(variant: AblationVariant, context: VariantContext): Promise<VariantOutcome> {
  const { plan, seed, items, backend, log, signal } = context;
  const dir = join(context.outputDir, `seed-${seed}`, variant.name);
  const file = join(dir, "outcome.json");
  const given = typeof variant.pairs === "string" ? await hashPairs(variant.pairs) : [];
  const identity = [
    variant.pairs,
    ...given,
    variant.train,
    plan.train,
    context.rolloutKey,
    items.map(({ prompt }) => prompt),
  ];
  const key = createHash("sha256").update(JSON.stringify(identity)).digest("hex");
  const before = outcomeSchema.safeParse(await readJson(file, { fix: "" }).catch(() => undefined));
  if (before.success && before.data.key === key) return before.data;

  const data = typeof variant.pairs === "string" ? variant.pairs : join(dir, "pairs");
  const pairs = typeof variant.pairs === "string" ? 0 : await writePairs(variant, context, data);
  const model = join(dir, "model");
  const config = resolveTrainConfig(
    { save_steps: 1_000_000, sample_prompts: 0, reward_model: plan.reward_model, ...plan.train, ...variant.train },
    { model: plan.model, data, outputDir: model, seed, backend },
    `variant ${variant.name}`,
  );
  const started = performance.now();
  const trained = await trainStepwiseDpo(config, {
    overwrite: true,
    exportOnnx: false,
    log,
    ...(signal && { signal }),
  });
  const seconds = (performance.now() - started) / 1000;
  const figures: Figures = await measurePolicy(model, items, signal);
  const outcome = {
    key,
    pairs: pairs || trained.data.train.length,
    steps: trained.steps,
    train_seconds: seconds,
    figures,
  };
  await writeText(file, `${JSON.stringify(outcome)}\n`);
  await rm(join(model, "runs"), { recursive: true, force: true });
  return outcome;
}
