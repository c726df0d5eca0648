// An ablation, top to bottom: one rollout a seed that all variants share, one training run a variant and seed, all measured on the same
// held-out problems, and one table. A stopped ablation goes on where it was: what is finished is kept.

import { createHash } from "node:crypto";
import { join } from "node:path";
import { once } from "../../../shared/once.ts";
import { HELDOUT, loadItems } from "../../data/problems/load-items.ts";
import { createProgress } from "../../io/progress.ts";
import { writeText } from "../../io/write-text.ts";
import { openOnnxGenerator } from "../../onnx/decode/onnx-generate.ts";
import { loadScorer } from "../../reward/scoring/scoring-processes.ts";
import { hashModel } from "../../store/hash.ts";
import { loadConfig } from "../../store/model-config.ts";
import { loadTokenizer } from "../../store/model-folder.ts";
import type { BackendChoice } from "../../tensorflow/backends.ts";
import { startTensorflow } from "../../tensorflow/tensorflow.ts";
import { drawProblems } from "../rollout/problems.ts";
import type { Rollout } from "../rollout/rollout.ts";
import { sampleRollouts } from "../rollout/sample-rollouts.ts";
import { type Figures, measurePolicy } from "./figures.ts";
import { type AblationPlan, chosenVariants } from "./plan.ts";
import { runVariant, type VariantContext, type VariantOutcome } from "./run-variant.ts";
import { type VariantRow, variantRows, variantTable } from "./table.ts";

export interface AblationOptions {
  plan: AblationPlan;
  outputDir: string;
  seeds: readonly number[];
  /** Held-out problems, the same for all runs. */
  problems: number;
  /** Seed of the held-out problems. */
  evaluationSeed: number;
  /** Names of the variants to run; default all. */
  only?: readonly string[] | undefined;
  backend: BackendChoice;
  log?: (line: string) => void;
  signal?: AbortSignal | undefined;
}

export const RESULTS_FILE = "results.json";
export const TABLE_FILE = "results.md";

/** Samples of one seed's problems. */
async function rollOut(plan: AblationPlan, seed: number, signal: AbortSignal | undefined): Promise<Rollout[]> {
  const { problems, samples, temperature, max_new_tokens: maxNewTokens } = plan.rollout;
  const generator = await openOnnxGenerator(plan.model);
  const tokenizer = await loadTokenizer(plan.model, await loadConfig(plan.model));
  const drawn = drawProblems(problems, seed);
  const bar = createProgress({ title: `samples, seed ${seed}`, total: drawn.length });
  try {
    const rollouts: Rollout[] = [];
    const CHUNK = 64;
    for (let start = 0; start < drawn.length; start += CHUNK) {
      const chunk = drawn.slice(start, start + CHUNK);
      const sampling = { doSample: true, temperature, topK: 0, topP: 1 };
      const streams = chunk.map((_, i) => start + i);
      const policy = { generator, tokenizer };
      rollouts.push(
        ...(await sampleRollouts(policy, chunk, { samples, sampling, maxNewTokens, seed, streams, signal })),
      );
      bar.update(rollouts.length);
    }
    return rollouts;
  } finally {
    bar.stop();
    await generator.dispose();
  }
}

/** Runs all variants with all seeds; writes results.json and results.md into `outputDir`. */
export async function runAblation(options: AblationOptions): Promise<{ rows: VariantRow[]; table: string }> {
  const { plan, outputDir, seeds, signal, backend, log = () => {} } = options;
  const variants = chosenVariants(plan, options.only);
  await startTensorflow(backend);
  const { items } = await loadItems({ data: HELDOUT, problems: options.problems, seeds: [options.evaluationSeed] });
  const rewardModel = once(() => loadScorer(plan.reward_model, 1));
  log("base model");
  const base: Figures = await measurePolicy(plan.model, items, signal);
  const outcomes = new Map<string, VariantOutcome[]>(variants.map(({ name }) => [name, []]));
  const weights = [await hashModel(plan.model), await hashModel(plan.reward_model)];
  for (const seed of seeds) {
    const identity = JSON.stringify([weights, plan.rollout, seed]);
    const context: VariantContext = {
      plan,
      rolloutKey: createHash("sha256").update(identity).digest("hex"),
      rollouts: once(() => rollOut(plan, seed, signal)),
      rewardModel,
      items,
      seed,
      outputDir,
      backend,
      log,
      signal,
    };
    for (const variant of variants) {
      log(`seed ${seed}, ${variant.name}: ${variant.what}`);
      outcomes.get(variant.name)?.push(await runVariant(variant, context));
      const finished = variants.map(({ name, what }) => ({ name, what, outcomes: outcomes.get(name) ?? [] }));
      await writeResults(base, finished, options);
    }
  }
  const all = variants.map(({ name, what }) => ({ name, what, outcomes: outcomes.get(name) ?? [] }));
  return writeResults(base, all, options);
}

async function writeResults(
  base: Figures,
  variants: readonly { name: string; what: string; outcomes: VariantOutcome[] }[],
  { outputDir, plan, seeds, problems, evaluationSeed }: AblationOptions,
): Promise<{ rows: VariantRow[]; table: string }> {
  const rows = variantRows(
    base,
    variants.filter(({ outcomes }) => outcomes.length > 0),
  );
  const table = variantTable(base, rows);
  const settings = { seeds, problems, evaluation_seed: evaluationSeed, plan };
  await writeText(join(outputDir, RESULTS_FILE), `${JSON.stringify({ settings, rows }, null, 1)}\n`);
  await writeText(join(outputDir, TABLE_FILE), table);
  return { rows, table };
}
