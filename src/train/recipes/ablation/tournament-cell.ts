// A cell of a tournament: one method with one seed, an online run of its own and its figures. What is finished is kept in outcome.json, by
// everything that it follows from; a run that was stopped goes on, one of other settings is begun anew.

import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { readJson } from "../../io/read-json.ts";
import { writeText } from "../../io/write-text.ts";
import { hashModel } from "../../store/hash.ts";
import type { BackendChoice } from "../../tensorflow/backends.ts";
import { resolveTrainConfig, type TrainConfig } from "../dpo/config.ts";
import { trainOnline } from "../online/recipe.ts";
import { type OnlineSettings, onlineSettingsFromJson, resolveOnlineSettings } from "../online/settings.ts";
import { withRunLock } from "../run/run-lock.ts";
import { type Figures, figuresSchema } from "./figures.ts";
import { exactOfFirst, keptOnAll, type Measured } from "./kept-figures.ts";
import type { TournamentMethod, TournamentPlan } from "./tournament-plan.ts";

const outcomeSchema = z.object({
  /** Of everything that the outcome depends on. */
  key: z.string(),
  seed: z.number(),
  samples: z.number(),
  tokens: z.number(),
  steps: z.number(),
  sample_seconds: z.number(),
  update_seconds: z.number(),
  rounds: z.array(z.record(z.string(), z.unknown())),
  /** After each round, from the model before training on: exact match on the first problems of each evaluation. */
  curve: z.array(z.object({ tokens: z.number(), exact: z.record(z.string(), z.number()) })),
  /** By evaluation. */
  figures: z.record(z.string(), figuresSchema),
});
export type MethodOutcome = z.infer<typeof outcomeSchema>;
const pointSchema = z.record(z.string(), z.number());

/** What all cells of a tournament share. */
export interface TournamentContext {
  plan: TournamentPlan;
  outputDir: string;
  evaluations: Measured;
  /** The model before training. */
  base: Record<string, Figures>;
  backend: BackendChoice;
  log: (line: string) => void;
  signal?: AbortSignal | undefined;
}

/** Where figures lie that several cells, or several runs of the tournament, need. */
export const keptDirOf = (outputDir: string): string => join(outputDir, "measured");

interface Cell {
  dir: string;
  config: TrainConfig;
  settings: OnlineSettings;
  /** Of everything that the trained model follows from. */
  runKey: string;
  /** Of that and of the evaluations. */
  key: string;
}

async function cellOf(context: TournamentContext, method: TournamentMethod, seed: number): Promise<Cell> {
  const { plan, outputDir, evaluations, backend } = context;
  const dir = join(outputDir, `seed-${seed}`, method.name);
  const where = `method ${method.name}`;
  const config = resolveTrainConfig(
    { save_steps: 100, sample_prompts: 0, reward_model: plan.reward_model, ...plan.train, ...method.train },
    { model: plan.model, outputDir: join(dir, "run"), seed, backend },
    where,
  );
  const settings = resolveOnlineSettings(onlineSettingsFromJson({ ...plan.online, ...method.online }, where), {
    lossType: config.lossType,
    hasRewardModel: plan.reward_model !== null,
  });
  const { scorer, scoredBy } = settings;
  const asks = scorer === "judge" || scorer === "both" || scoredBy === "train";
  const scoredWith = plan.reward_model === null || !asks ? null : await hashModel(plan.reward_model);
  const sha = (value: unknown): string => createHash("sha256").update(JSON.stringify(value)).digest("hex");
  const runKey = sha([
    await hashModel(plan.model),
    scoredWith,
    [plan.train, plan.online, method.train, method.online, seed],
  ]);
  const problems = evaluations.map(({ name, items }) => [name, items.map(({ prompt }) => prompt)]);
  return { dir, config, settings, runKey, key: sha([runKey, problems, plan.curve_problems]) };
}

async function readOutcome({ dir, key }: Cell): Promise<MethodOutcome | undefined> {
  const json = await readJson(join(dir, "outcome.json"), { fix: "" }).catch(() => undefined);
  const { success, data } = outcomeSchema.safeParse(json);
  return success && data.key === key ? data : undefined;
}

/** The cell's outcome where it is finished. */
export async function finishedOutcome(
  context: TournamentContext,
  method: TournamentMethod,
  seed: number,
): Promise<MethodOutcome | undefined> {
  return readOutcome(await cellOf(context, method, seed));
}

const pointFile = (dir: string, round: number): string => join(dir, `after-round-${round}.json`);

/** Runs the cell, or what is left of it. Throws what an online run throws. */
export async function runCell(
  context: TournamentContext,
  method: TournamentMethod,
  seed: number,
): Promise<MethodOutcome> {
  const { plan, outputDir, evaluations, signal, log } = context;
  const cell = await cellOf(context, method, seed);
  const before = await readOutcome(cell);
  if (before !== undefined) return before;
  const { dir, config, settings } = cell;
  await forgetOtherRun(cell);
  const kept = { keptDir: keptDirOf(outputDir), signal };
  const few: Measured = evaluations.map(({ name, items }) => ({ name, items: items.slice(0, plan.curve_problems) }));
  const { rounds } = await trainOnline(config, settings, {
    resume: true,
    exportOnnx: false,
    sharedDir: join(outputDir, "shared"),
    ...(plan.curve_problems > 0 && {
      afterRound: async (round: number, policy: string) => {
        if (round === settings.rounds) return;
        const exact = exactOfFirst(await keptOnAll(policy, few, kept), plan.curve_problems);
        await writeText(pointFile(dir, round), `${JSON.stringify(exact)}\n`);
      },
    }),
    ...(signal && { signal }),
    log,
  });
  const sum = (of: (entry: (typeof rounds)[number]) => number): number =>
    rounds.reduce((total, one) => total + of(one), 0);
  const figures = await keptOnAll(config.outputDir, evaluations, kept);
  const outcome: MethodOutcome = {
    key: cell.key,
    seed,
    samples: sum(({ samples }) => samples),
    tokens: sum(({ tokens }) => tokens),
    steps: sum(({ steps }) => steps),
    sample_seconds: sum(({ sample_seconds }) => sample_seconds),
    update_seconds: sum(({ update_seconds }) => update_seconds),
    rounds: rounds.map(({ log: _, ...entry }) => entry),
    curve: await curveOf(context, cell, { rounds, figures }),
    figures,
  };
  await writeText(join(dir, "outcome.json"), `${JSON.stringify(outcome)}\n`);
  await rm(join(config.outputDir, "rounds"), { recursive: true, force: true });
  return outcome;
}

/** A run of other settings or another model in the cell's folder is removed: it cannot be gone on with. Throws InputError while it runs. */
async function forgetOtherRun({ dir, config, runKey }: Cell): Promise<void> {
  const file = join(dir, "run.key");
  const known = await readFile(file, "utf8").catch(() => undefined);
  if (known === runKey) return;
  if (existsSync(config.outputDir))
    await withRunLock(config.outputDir, () => rm(dir, { recursive: true, force: true }));
  await writeText(file, runKey);
}

async function curveOf(
  { plan, base }: TournamentContext,
  { dir, settings }: Cell,
  { rounds, figures }: { rounds: readonly { round: number; tokens: number }[]; figures: Record<string, Figures> },
): Promise<MethodOutcome["curve"]> {
  if (plan.curve_problems === 0) return [];
  const curve = [{ tokens: 0, exact: exactOfFirst(base, plan.curve_problems) }];
  let tokens = 0;
  for (const { round, tokens: own } of rounds) {
    tokens += own;
    if (round === settings.rounds) curve.push({ tokens, exact: exactOfFirst(figures, plan.curve_problems) });
    else {
      const point = pointSchema.safeParse(await readJson(pointFile(dir, round), { fix: "" }).catch(() => undefined));
      // the model of that round is gone: a run of a plan without curves
      if (!point.success) return [];
      curve.push({ tokens, exact: point.data });
    }
  }
  return curve;
}
