// Online training, top to bottom: rounds of sampling with the current policy, scoring every step, making pairs or advantages of the
// samples, and an update from them. A round's parts lie in rounds/N and are taken up where they are whole, so that a run that was killed
// anywhere goes on and ends with the weights that it would have had.

import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { CapacityError, InputError, StepwiseError } from "../../../shared/errors.ts";
import { loadItems } from "../../data/problems/load-items.ts";
import { createProgress } from "../../io/progress.ts";
import { loadTrainerState, TRAINER_STATE_FILE } from "../../io/trainer-state.ts";
import { copyModel } from "../../store/copy-model.ts";
import { hashModel } from "../../store/hash.ts";
import { resolveModelWithProgress } from "../../store/hub/resolve-model-with-progress.ts";
import { describeBackend, startTensorflow } from "../../tensorflow/tensorflow.ts";
import type { TrainConfig } from "../dpo/config.ts";
import { trainStepwiseDpo } from "../dpo/recipe.ts";
import type { Rollout } from "../rollout/rollout.ts";
import { listCheckpoints } from "../run/checkpoint.ts";
import { exportResult, isStop } from "../run/export-result.ts";
import { checkResumable } from "../run/resume.ts";
import { beginRunFolder, firstStep, ONLINE_CONFIG_FILE, unfinishedRun } from "../run/run-folder.ts";
import { withRunLock } from "../run/run-lock.ts";
import { settingsToJson } from "../run/settings.ts";
import { type Spent, spentOn, usedUp } from "./budget.ts";
import { writeOnlineCard } from "./card.ts";
import { materialOf } from "./material.ts";
import { difficultyOf, problemsOfRound, seedOfRound } from "./problems.ts";
import { roundLine, solvedShares } from "./round-figures.ts";
import { ROLLOUTS_FILE, readRollouts, sampleRound } from "./sample-round.ts";
import { type OnlineSettings, onlineSettingsToJson } from "./settings.ts";
import { loadOnlineState, type OnlineState, type RoundEntry, STATE_FILE, saveOnlineState } from "./state.ts";
import { solvedGreedily } from "./validation.ts";

export interface OnlineRun {
  resume?: boolean;
  overwrite?: boolean;
  signal?: AbortSignal | undefined;
  log?: (line: string) => void;
  /** Also write ONNX files. Default true. */
  exportOnnx?: boolean;
  /** Samples of equal rounds are shared with other runs there. */
  sharedDir?: string | undefined;
  /** Is given the policy after each round (from 1), before the round counts as finished. */
  afterRound?: ((round: number, modelDir: string) => Promise<void>) | undefined;
}

export interface OnlineResult {
  outputDir: string;
  rounds: RoundEntry[];
}

/** Held-out problems that settings may be chosen on: no table of results is measured on this seed's. */
export const VALIDATION_SEED = 2026;

/**
 * Runs all rounds, or those that are left, in a folder that no other run may write to meanwhile. Throws the errors of its parts;
 * CapacityError "interrupted" on the signal.
 */
export async function trainOnline(
  config: TrainConfig,
  settings: OnlineSettings,
  run: OnlineRun = {},
): Promise<OnlineResult> {
  return withRunLock(config.outputDir, () => runRounds(config, settings, run));
}

async function runRounds(config: TrainConfig, settings: OnlineSettings, run: OnlineRun): Promise<OnlineResult> {
  const { log = () => {}, signal, resume = false, overwrite = false } = run;
  const { outputDir } = config;
  if (config.adapter !== "none") {
    const fix = "Leave --adapter out, or train it on the rollouts of rounds/N afterwards.";
    throw new InputError({
      code: "online_adapter",
      what: "online training updates all weights",
      where: "--adapter",
      fix,
    });
  }
  if (config.addTokens !== null) {
    const fix = "Train with --add-tokens on data first, and go on online from that model.";
    throw new InputError({ code: "online_tokens", what: "online training adds no tokens", where: "--add-tokens", fix });
  }
  log(`backend: ${describeBackend(await startTensorflow(config.backend, config.precision))}`);
  const startDir = await resolveModelWithProgress(config.model, { signal });
  const rewardModelDir =
    config.rewardModel === null ? undefined : await resolveModelWithProgress(config.rewardModel, { signal });
  const state = await openState(config, settings, { startHash: await hashModel(startDir), resume, overwrite });
  const context: Context = { config, settings, run, state, startDir, rewardModelDir };
  try {
    while (!state.published && state.rounds.length < settings.rounds) {
      const used = usedUp(settings, spentSoFar(state));
      if (used !== undefined) {
        log(`no round after ${state.rounds.length}: ${used} are used`);
        break;
      }
      const entry = await runRound(context, state.rounds.length);
      state.rounds.push(entry);
      await saveOnlineState(outputDir, state);
      await removeOldModels(outputDir, state);
      log(roundLine(entry));
    }
  } catch (error) {
    throw asInterrupted(error, state.rounds.length, config, signal);
  }
  if (isPublished(context)) log(`nothing to resume: the run is finished (${state.rounds.length} rounds)`);
  else await publish(context);
  if (run.exportOnnx !== false) await exportResult(outputDir, signal);
  return { outputDir, rounds: state.rounds };
}

interface Context {
  config: TrainConfig;
  settings: OnlineSettings;
  run: OnlineRun;
  state: OnlineState;
  startDir: string;
  rewardModelDir: string | undefined;
}

const roundDir = (outputDir: string, round: number): string => join(outputDir, "rounds", String(round + 1));

async function openState(
  config: TrainConfig,
  settings: OnlineSettings,
  { startHash, resume, overwrite }: { startHash: string; resume: boolean; overwrite: boolean },
): Promise<OnlineState> {
  const { outputDir } = config;
  const all = { ...settingsToJson(config), ...onlineSettingsToJson(settings) };
  if (overwrite) {
    for (const name of ["rounds", STATE_FILE, "metrics.jsonl"])
      await rm(join(outputDir, name), { recursive: true, force: true });
  } else if (!existsSync(join(outputDir, STATE_FILE))) {
    await firstStep(outputDir, {}); // a run of another kind is not lost, nor gone on with
    if (resume) await checkResumable(outputDir, ONLINE_CONFIG_FILE, { config: {}, free: [] });
  } else if (!resume) throw unfinishedRun(outputDir, "an online run lies there");
  const before = await loadOnlineState(outputDir, all, startHash);
  const json = { ...onlineSettingsToJson(settings), train: settingsToJson(config) };
  await beginRunFolder(outputDir, 0, { file: ONLINE_CONFIG_FILE, json }); // the checkpoints of the run's own lie in its rounds
  if (before !== undefined) return before;
  const state = { settings: all, start_sha256: startHash, rounds: [], published: false };
  await saveOnlineState(outputDir, state);
  return state;
}

/** The newest policy: of the last round that had something to learn. */
function currentModel({ config, state, startDir }: Context): string {
  const last = state.rounds.findLast(({ steps }) => steps > 0);
  return last === undefined ? startDir : join(roundDir(config.outputDir, last.round - 1), "model");
}

function spentSoFar({ rounds }: OnlineState): Spent {
  const sum = (of: (entry: RoundEntry) => number): number => rounds.reduce((total, entry) => total + of(entry), 0);
  return {
    samples: sum(({ samples }) => samples),
    tokens: sum(({ tokens }) => tokens),
    seconds: sum(({ sample_seconds, update_seconds }) => sample_seconds + update_seconds),
  };
}

/** One round; one without samples where earlier ones have used its share of the budget. */
async function runRound(context: Context, round: number): Promise<RoundEntry> {
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

/** Only the newest policy is kept, and what was computed for it; samples of all rounds stay. */
async function removeOldModels(outputDir: string, { rounds }: OnlineState): Promise<void> {
  const newest = rounds.findLast(({ steps }) => steps > 0)?.round;
  for (const { round } of rounds.filter((entry) => entry.round !== newest))
    for (const name of ["model", ".ref-logps", ".step-scores"])
      await rm(join(roundDir(outputDir, round - 1), name), { recursive: true, force: true });
}

/** A state of an older version does not say so: then all rounds are done, their folders are gone, and a model lies there. */
function isPublished(context: Context): boolean {
  const { state, settings, config } = context;
  const isDone = state.rounds.length >= settings.rounds && !existsSync(currentModel(context));
  return state.published || (isDone && existsSync(join(config.outputDir, "model.safetensors")));
}

/** The last policy to the output folder, with a card. */
async function publish(context: Context): Promise<void> {
  const { config, settings, state } = context;
  await copyModel(currentModel(context), config.outputDir);
  state.published = true;
  await writeOnlineCard(config.outputDir, { base: basename(config.model), config, settings, rounds: state.rounds });
  await saveOnlineState(config.outputDir, state);
}

function asInterrupted(error: unknown, rounds: number, config: TrainConfig, signal: AbortSignal | undefined): unknown {
  const stopped = isStop(error, signal) || (error instanceof StepwiseError && error.code === "interrupted");
  if (!stopped) return error;
  return new CapacityError({
    code: "interrupted",
    what: `stopped in round ${rounds + 1}`,
    where: config.outputDir,
    fix: "Run the same command with --resume to continue.",
  });
}
