// A tournament: every method with every seed, each an online run of its own; finished ones are kept, a stopped one goes on. Rounds that
// would sample the same (the first, from the same model) share their samples.

import { createHash } from "node:crypto";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { EvaluationItem } from "../../data/problems/items.ts";
import { HELDOUT, loadItems } from "../../data/problems/load-items.ts";
import { readJson } from "../../io/read-json.ts";
import { writeText } from "../../io/write-text.ts";
import { hashModel } from "../../store/hash.ts";
import type { BackendChoice } from "../../tensorflow/backends.ts";
import { startTensorflow } from "../../tensorflow/tensorflow.ts";
import { resolveTrainConfig } from "../dpo/config.ts";
import { trainOnline } from "../online/recipe.ts";
import { onlineSettingsFromJson, resolveOnlineSettings } from "../online/settings.ts";
import { type Figures, figuresSchema, measurePolicy } from "./figures.ts";
import { tournamentChart } from "./tournament-chart.ts";
import { chosenMethods, type TournamentMethod, type TournamentPlan } from "./tournament-plan.ts";
import { type MethodOutcomes, tournamentTable } from "./tournament-table.ts";

const outcomeSchema = z.object({
  /** Of everything that the outcome depends on. */
  key: z.string(),
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
const pointSchema = z.record(z.string(), z.number());
export type MethodOutcome = z.infer<typeof outcomeSchema>;

export interface TournamentOptions {
  plan: TournamentPlan;
  outputDir: string;
  seeds: readonly number[];
  only?: readonly string[] | undefined;
  backend: BackendChoice;
  log?: (line: string) => void;
  signal?: AbortSignal | undefined;
}

type Measured = readonly { name: string; items: readonly EvaluationItem[] }[];

/** Runs all methods with all seeds, seed by seed; writes results.json, results.md and curves.svg after each. */
export async function runTournament(options: TournamentOptions): Promise<{ table: string }> {
  const { plan, seeds, outputDir, signal, log = () => {} } = options;
  await startTensorflow(options.backend);
  const methods = chosenMethods(plan, options.only);
  const evaluations: Measured = await Promise.all(
    plan.evaluations.map(async ({ name, problems, seed, min_steps: minSteps, max_steps: maxSteps, traps }) => {
      const range = { ...(minSteps !== undefined && { minSteps }), ...(maxSteps !== undefined && { maxSteps }), traps };
      const { items } = await loadItems({ data: HELDOUT, problems, seeds: [seed], ...range });
      return { name, items };
    }),
  );
  log("the model before training");
  const base = await measureAll(plan.model, evaluations, signal);
  const start = exactOf(base, plan.curve_problems);
  const outcomes = new Map<string, MethodOutcome[]>(methods.map(({ name }) => [name, []]));
  let table = "";
  for (const seed of seeds) {
    for (const method of methods) {
      log(`seed ${seed}, ${method.name}: ${method.what}`);
      outcomes.get(method.name)?.push(await runMethod(method, { options, seed, evaluations, start }));
      const all: MethodOutcomes[] = methods.map(({ name, what }) => ({
        name,
        what,
        outcomes: outcomes.get(name) ?? [],
      }));
      table = tournamentTable(base, all, plan.rival);
      const settings = { seeds, plan };
      await writeText(
        join(outputDir, "results.json"),
        `${JSON.stringify({ settings, base, methods: all }, null, 1)}\n`,
      );
      await writeText(join(outputDir, "results.md"), table);
      const chart = tournamentChart(Object.keys(base), all);
      if (chart !== undefined) await writeText(join(outputDir, "curves.svg"), chart);
    }
  }
  return { table };
}

async function measureAll(
  dir: string,
  evaluations: Measured,
  signal: AbortSignal | undefined,
): Promise<Record<string, Figures>> {
  const figures: Record<string, Figures> = {};
  for (const { name, items } of evaluations) figures[name] = await measurePolicy(dir, items, signal);
  return figures;
}

interface MethodRun {
  options: TournamentOptions;
  seed: number;
  evaluations: Measured;
  /** Exact match of the model before training, for the curve. */
  start: Record<string, number>;
}

/** Exact match on the first `problems` of each evaluation. */
function exactOf(figures: Readonly<Record<string, Figures>>, problems: number): Record<string, number> {
  const mean = (sums: readonly number[]): number => sums.reduce((sum, one) => sum + one, 0) / Math.max(1, sums.length);
  return Object.fromEntries(
    Object.entries(figures).map(([name, { exact_match }]) => [name, mean(exact_match.sums.slice(0, problems))]),
  );
}

async function runMethod(
  method: TournamentMethod,
  { options, seed, evaluations, start }: MethodRun,
): Promise<MethodOutcome> {
  const { plan, outputDir, backend, signal, log } = options;
  const dir = join(outputDir, `seed-${seed}`, method.name);
  const file = join(dir, "outcome.json");
  const identity = [
    await hashModel(plan.model),
    plan.reward_model === null ? null : await hashModel(plan.reward_model),
    [plan.train, plan.online, method.train, method.online, seed],
    evaluations.map(({ items }) => items.map(({ prompt }) => prompt)),
    plan.curve_problems,
  ];
  const key = createHash("sha256").update(JSON.stringify(identity)).digest("hex");
  const before = outcomeSchema.safeParse(await readJson(file, { fix: "" }).catch(() => undefined));
  if (before.success && before.data.key === key) return before.data;
  const model = join(dir, "run");
  const where = `method ${method.name}`;
  const config = resolveTrainConfig(
    { save_steps: 100, sample_prompts: 0, reward_model: plan.reward_model, ...plan.train, ...method.train },
    { model: plan.model, outputDir: model, seed, backend },
    where,
  );
  const settings = resolveOnlineSettings(onlineSettingsFromJson({ ...plan.online, ...method.online }, where), {
    lossType: config.lossType,
    hasRewardModel: plan.reward_model !== null,
  });
  const few: Measured = evaluations.map(({ name, items }) => ({ name, items: items.slice(0, plan.curve_problems) }));
  const pointFile = (round: number): string => join(dir, `after-round-${round}.json`);
  const { rounds } = await trainOnline(config, settings, {
    resume: true,
    exportOnnx: false,
    sharedDir: join(outputDir, "shared"),
    ...(plan.curve_problems > 0 && {
      afterRound: async (round: number, policy: string) => {
        if (round === settings.rounds) return;
        const exact = exactOf(await measureAll(policy, few, signal), plan.curve_problems);
        await writeText(pointFile(round), `${JSON.stringify(exact)}\n`);
      },
    }),
    ...(signal && { signal }),
    ...(log && { log }),
  });
  const sum = (of: (entry: (typeof rounds)[number]) => number): number =>
    rounds.reduce((total, one) => total + of(one), 0);
  const figures = await measureAll(model, evaluations, signal);
  let tokens = 0;
  const curve = [{ tokens, exact: start }];
  for (const { round, tokens: own } of plan.curve_problems > 0 ? rounds : []) {
    tokens += own;
    const isLast = round === settings.rounds;
    const kept = isLast ? exactOf(figures, plan.curve_problems) : await readJson(pointFile(round), { fix: "" });
    curve.push({ tokens, exact: pointSchema.parse(kept) });
  }
  const outcome: MethodOutcome = {
    key,
    samples: sum(({ samples }) => samples),
    tokens: sum(({ tokens }) => tokens),
    steps: sum(({ steps }) => steps),
    sample_seconds: sum(({ sample_seconds }) => sample_seconds),
    update_seconds: sum(({ update_seconds }) => update_seconds),
    rounds: rounds.map(({ log: _, ...entry }) => entry),
    curve,
    figures,
  };
  await writeText(file, `${JSON.stringify(outcome)}\n`);
  await rm(join(model, "rounds"), { recursive: true, force: true });
  return outcome;
}
