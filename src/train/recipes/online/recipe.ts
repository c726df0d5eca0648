// Online training, top to bottom: rounds of sampling with the current policy, scoring every step, making pairs or advantages of the
// samples, and an update from them. A round's parts lie in rounds/N and are taken up where they are whole, so that a run that was killed
// anywhere goes on and ends with the weights that it would have had.

import { CapacityError, InputError, StepwiseError } from "../../../shared/errors.ts";
import { hashModel } from "../../store/hash.ts";
import { resolveModelWithProgress } from "../../store/hub/resolve-model-with-progress.ts";
import { describeBackend, startTensorflow } from "../../tensorflow/tensorflow.ts";
import type { TrainConfig } from "../dpo/config.ts";
import { exportResult, isStop } from "../run/export-result.ts";
import { withRunLock } from "../run/run-lock.ts";
import { usedUp } from "./budget.ts";
import { type Context, isPublished, type OnlineRun, openState, publish, removeOldModels } from "./folder.ts";
import { runRound, spentSoFar } from "./round.ts";
import { roundLine } from "./round-figures.ts";
import type { OnlineSettings } from "./settings.ts";
import { type RoundEntry, saveOnlineState } from "./state.ts";

export interface OnlineResult {
  outputDir: string;
  rounds: RoundEntry[];
}

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
