// The folder of an online run: its state, the rounds that lie in rounds/N, the newest policy among them, and the model that is left at the end.

import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { copyModel } from "../../store/copy-model.ts";
import type { TrainConfig } from "../dpo/config.ts";
import { checkResumable } from "../run/resume.ts";
import { beginRunFolder, firstStep, ONLINE_CONFIG_FILE, unfinishedRun } from "../run/run-folder.ts";
import { settingsToJson } from "../run/settings.ts";
import { writeOnlineCard } from "./card.ts";
import { type OnlineSettings, onlineSettingsToJson } from "./settings.ts";
import { loadOnlineState, type OnlineState, STATE_FILE, saveOnlineState } from "./state.ts";

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

/** What all parts of a run share. */
export interface Context {
  config: TrainConfig;
  settings: OnlineSettings;
  run: OnlineRun;
  state: OnlineState;
  startDir: string;
  rewardModelDir: string | undefined;
}

/** Folder of round `round` (from 0). */
export const roundDir = (outputDir: string, round: number): string => join(outputDir, "rounds", String(round + 1));

/** The state of the run that lies there, or of a new one. Throws InputError where the folder holds another run. */
export async function openState(
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
export function currentModel({ config, state, startDir }: Context): string {
  const last = state.rounds.findLast(({ steps }) => steps > 0);
  return last === undefined ? startDir : join(roundDir(config.outputDir, last.round - 1), "model");
}

/** Only the newest policy is kept, and what was computed for it; samples of all rounds stay. */
export async function removeOldModels(outputDir: string, { rounds }: OnlineState): Promise<void> {
  const newest = rounds.findLast(({ steps }) => steps > 0)?.round;
  for (const { round } of rounds.filter((entry) => entry.round !== newest))
    for (const name of ["model", ".ref-logps", ".step-scores"])
      await rm(join(roundDir(outputDir, round - 1), name), { recursive: true, force: true });
}

/** A state of an older version does not say so: then all rounds are done, their folders are gone, and a model lies there. */
export function isPublished(context: Context): boolean {
  const { state, settings, config } = context;
  const isDone = state.rounds.length >= settings.rounds && !existsSync(currentModel(context));
  return state.published || (isDone && existsSync(join(config.outputDir, "model.safetensors")));
}

/** The last policy to the output folder, with a card. */
export async function publish(context: Context): Promise<void> {
  const { config, settings, state } = context;
  await copyModel(currentModel(context), config.outputDir);
  state.published = true;
  await writeOnlineCard(config.outputDir, { base: basename(config.model), config, settings, rounds: state.rounds });
  await saveOnlineState(config.outputDir, state);
}
