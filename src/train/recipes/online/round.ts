// One round of online training: problems, samples with the current policy, an update from them, and the figures of both. What is whole of a
// round that was stopped is taken up.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { loadItems } from "../../data/problems/load-items.ts";
import { createProgress } from "../../io/progress.ts";
import { loadTrainerState, TRAINER_STATE_FILE } from "../../io/trainer-state.ts";
import { trainStepwiseDpo } from "../dpo/recipe.ts";
import type { Rollout } from "../rollout/rollout.ts";
import { listCheckpoints } from "../run/checkpoint.ts";
import { type Spent, spentOn } from "./budget.ts";
import { type Context, currentModel, roundDir } from "./folder.ts";
import { materialOf } from "./material.ts";
import { difficultyOf, problemsOfRound, seedOfRound } from "./problems.ts";
import { solvedShares } from "./round-figures.ts";
import { ROLLOUTS_FILE, readRollouts, sampleRound } from "./sample-round.ts";
import type { OnlineState, RoundEntry } from "./state.ts";
import { solvedGreedily } from "./validation.ts";

/** Held-out problems that settings may be chosen on: no table of results is measured on this seed's. */
export const VALIDATION_SEED = 2026;

/** What all finished rounds have sampled. */
export function spentSoFar({ rounds }: OnlineState): Spent {
  const sum = (of: (entry: RoundEntry) => number): number => rounds.reduce((total, entry) => total + of(entry), 0);
  return {
    samples: sum(({ samples }) => samples),
    tokens: sum(({ tokens }) => tokens),
    seconds: sum(({ sample_seconds, update_seconds }) => sample_seconds + update_seconds),
  };
}

/** One round; one without samples where earlier ones have used its share of the budget. */
export async function runRound(context: Context, round: number): Promise<RoundEntry> {
  const { config, settings, run, state } = context;
  const dir = roundDir(config.outputDir, round);
  const modelDir = currentModel(context);
  const difficulty = state.rounds.at(-1)?.by_steps ?? {};
  const problems = await problemsOfRound(settings, config.seed, round, difficulty);
  const bar = createProgress({ title: `round ${round + 1}: samples`, total: problems.length });
  const began = performance.now();
  const rollouts = await sampleRound({
    modelDir,
    rewardModelDir: context.rewardModelDir,
    problems,
    settings,
    aggregation: config.aggregation,
    seed: seedOfRound(config.seed, round),
    round,
    spent: spentSoFar(state),
    outputDir: dir,
    sharedDir: run.sharedDir,
    signal: run.signal,
    onProgress: (done) => bar.update(done),
  }).finally(() => bar.stop());
  if (rollouts.length === 0) return skippedRound(context, round, modelDir);
  const sampled = performance.now();
  const before = settings.replay ? await earlierRollouts(config.outputDir, round) : [];
  const updated = await update(context, { dir, modelDir, rollouts: [...before, ...rollouts] });
  const exact = settings.validationProblems === 0 ? null : await validate(context, updated.modelDir);
  await run.afterRound?.(round + 1, updated.modelDir);
  return {
    round: round + 1,
    problems: rollouts.length,
    ...spentOn(rollouts),
    ...solvedShares(rollouts),
    by_steps: difficultyOf(rollouts),
    pairs: updated.pairs,
    steps: updated.steps,
    sample_seconds: (sampled - began) / 1000,
    update_seconds: updated.seconds,
    validation_exact: exact,
    log: updated.log,
  };
}

async function skippedRound({ run, state }: Context, round: number, modelDir: string): Promise<RoundEntry> {
  const { samples, tokens } = spentSoFar(state);
  run.log?.(
    `round ${round + 1} is skipped: ${samples} samples, ${tokens} tokens are more than its share of the budget`,
  );
  await run.afterRound?.(round + 1, modelDir);
  return {
    ...{ round: round + 1, problems: 0, samples: 0, tokens: 0, samples_right: null, problems_solved: null },
    by_steps: state.rounds.at(-1)?.by_steps ?? {},
    ...{ pairs: 0, steps: 0, sample_seconds: 0, update_seconds: 0, validation_exact: null, log: [] },
  };
}

/** Samples of all rounds before `round`, in their order. */
async function earlierRollouts(outputDir: string, round: number): Promise<Rollout[]> {
  const rounds = Array.from({ length: round }, (_, before) => join(roundDir(outputDir, before), ROLLOUTS_FILE));
  return (await Promise.all(rounds.map(readRollouts))).flat();
}

interface Update {
  modelDir: string;
  pairs: number;
  steps: number;
  seconds: number;
  log: RoundEntry["log"];
}

async function update(
  { config, settings, run, startDir, rewardModelDir }: Context,
  { dir, modelDir, rollouts }: { dir: string; modelDir: string; rollouts: readonly Rollout[] },
): Promise<Update> {
  const pairs = materialOf(rollouts, { ...settings, advantages: config.advantages });
  const outputDir = join(dir, "model");
  if (pairs.length === 0) {
    run.log?.("nothing to learn from in this round's samples: the policy stays as it is");
    return { modelDir, pairs: 0, steps: 0, seconds: 0, log: [] };
  }
  const began = performance.now();
  if (!existsSync(join(outputDir, TRAINER_STATE_FILE))) {
    const ofRound = {
      ...config,
      model: modelDir,
      data: dir,
      outputDir,
      rewardModel: rewardModelDir ?? startDir,
      samplePrompts: 0,
    };
    await trainStepwiseDpo(ofRound, {
      pairs,
      ...(settings.reference === "fixed" && { referenceDir: startDir }),
      resume: (await listCheckpoints(outputDir)).length > 0,
      overwrite: true,
      exportOnnx: false,
      ...(run.signal && { signal: run.signal }),
      ...(run.log && { log: run.log }),
    });
  }
  const trained = await loadTrainerState(outputDir);
  const seconds = (performance.now() - began) / 1000;
  return { modelDir: outputDir, pairs: pairs.length, steps: trained.global_step, seconds, log: trained.log_history };
}

async function validate({ settings, run }: Context, modelDir: string): Promise<number> {
  const { items } = await loadItems({
    data: "heldout",
    problems: settings.validationProblems,
    seeds: [VALIDATION_SEED],
    ...(settings.problemMinSteps !== null && { minSteps: settings.problemMinSteps }),
    ...(settings.problemMaxSteps !== null && { maxSteps: settings.problemMaxSteps }),
  });
  return solvedGreedily(modelDir, items, run.signal);
}
