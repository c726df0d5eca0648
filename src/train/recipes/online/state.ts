// What an online run has done so far: its settings and one entry a finished round, in online_state.json, written whole after each.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { ArtifactError } from "../../../shared/errors.ts";
import { readJson } from "../../io/read-json.ts";
import { writeText } from "../../io/write-text.ts";
import { type SavedSettings, savedSettings } from "../run/resume.ts";
import { ONLINE_CONFIG_FILE, ONLINE_STATE_FILE } from "../run/run-folder.ts";
import { checkSameSettings } from "../run/run-state.ts";
import { type GivenOnlineSettings, onlineSettingsFromJson } from "./settings.ts";

export const STATE_FILE = ONLINE_STATE_FILE;

const roundSchema = z.object({
  /** From 1. */
  round: z.number().int(),
  problems: z.number(),
  samples: z.number(),
  tokens: z.number(),
  /** Share of right samples, and of problems with one at least; null where nothing is known of the answers. */
  samples_right: z.number().nullable(),
  problems_solved: z.number().nullable(),
  /** Share of right samples by number of steps. */
  by_steps: z.record(z.string(), z.number()),
  pairs: z.number(),
  steps: z.number(),
  sample_seconds: z.number(),
  update_seconds: z.number(),
  /** Held-out problems solved greedily after the update; null: none were tried. */
  validation_exact: z.number().nullable(),
  /** Entries of the update's own log. */
  log: z.array(z.record(z.string(), z.union([z.number(), z.null()]))),
});
export type RoundEntry = z.infer<typeof roundSchema>;

const stateSchema = z.object({
  settings: z.record(z.string(), z.unknown()),
  /** Of the model that the run began with. */
  start_sha256: z.string(),
  rounds: z.array(roundSchema),
  /** All rounds are done and the model lies in the output folder: the rounds' own folders may go. */
  published: z.boolean().default(false),
});
export type OnlineState = z.infer<typeof stateSchema>;

/** May differ between a run and its resumption, beside what may in every run. */
const FREE = ["sample_prompts"];

/** The state of a run that was begun in `dir`; undefined where there is none. Throws InputError where settings or the start differ. */
export async function loadOnlineState(
  dir: string,
  settings: Record<string, unknown>,
  startHash: string,
): Promise<OnlineState | undefined> {
  const file = join(dir, STATE_FILE);
  if (!existsSync(file)) return undefined;
  const fix = "Start anew with --overwrite, or choose another --output.";
  const parsed = stateSchema.safeParse(await readJson(file, { fix }));
  if (!parsed.success) throw new ArtifactError({ code: "bad_online_state", what: "it is damaged", where: file, fix });
  const saved = { ...parsed.data.settings, start: parsed.data.start_sha256 };
  checkSameSettings(saved, { config: { ...settings, start: startHash }, free: FREE }, file);
  return parsed.data;
}

/** Writes the state, and the log of the whole run: the rounds' figures and the updates' own, steps counted through. */
export async function saveOnlineState(dir: string, state: OnlineState): Promise<void> {
  let before = 0;
  const lines = state.rounds.flatMap(({ log, ...entry }) => {
    const own = log.map((line) => ({ ...line, step: before + Number(line.step ?? 0), round: entry.round }));
    before += entry.steps;
    return [...own, { ...entry, step: before }];
  });
  await writeText(join(dir, "metrics.jsonl"), lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
  await writeText(join(dir, STATE_FILE), `${JSON.stringify(state, null, 1)}\n`);
}

/** Settings that the online run in the folder was begun with, those of its updates apart; undefined where none was. */
export async function savedOnlineSettings(
  dir: string,
): Promise<{ train: SavedSettings; online: GivenOnlineSettings } | undefined> {
  const saved = await savedSettings(dir, ONLINE_CONFIG_FILE);
  if (saved === undefined) return undefined;
  const { train, output_dir, ...online } = saved;
  const ofUpdates = typeof train === "object" && train !== null ? train : {};
  return { train: { ...ofUpdates, output_dir }, online: onlineSettingsFromJson(online, join(dir, ONLINE_CONFIG_FILE)) };
}
