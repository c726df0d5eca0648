// A tournament: every method with every seed, each cell an online run of its own; finished ones are kept, a stopped one goes on. Rounds that
// would sample the same (the first, from the same model) share their samples. The table shows all that is finished, whichever were run now.

import { join } from "node:path";
import { CapacityError, StepwiseError } from "../../../shared/errors.ts";
import { HELDOUT, loadItems } from "../../data/problems/load-items.ts";
import { writeText } from "../../io/write-text.ts";
import type { BackendChoice } from "../../tensorflow/backends.ts";
import { startTensorflow } from "../../tensorflow/tensorflow.ts";
import { keptOnAll, type Measured } from "./kept-figures.ts";
import { finishedOutcome, keptDirOf, type MethodOutcome, runCell, type TournamentContext } from "./tournament-cell.ts";
import { tournamentChart } from "./tournament-chart.ts";
import { chosenMethods, type TournamentPlan } from "./tournament-plan.ts";
import { type MethodOutcomes, tournamentTable } from "./tournament-table.ts";

export interface TournamentOptions {
  plan: TournamentPlan;
  outputDir: string;
  seeds: readonly number[];
  /** Methods to run; default all. */
  only?: readonly string[] | undefined;
  backend: BackendChoice;
  log?: (line: string) => void;
  signal?: AbortSignal | undefined;
}

/** A cell that could not be finished, and why. */
export interface FailedCell {
  method: string;
  seed: number;
  error: StepwiseError;
}

/**
 * Runs the methods with all seeds, seed by seed; writes results.json, results.md and curves.svg after each. A cell that fails (a loss that
 * is no number) is left out and told of, the others go on. Throws CapacityError "interrupted" on the signal.
 */
export async function runTournament(options: TournamentOptions): Promise<{ table: string; failed: FailedCell[] }> {
  const { plan, seeds, outputDir, backend, signal, log = () => {} } = options;
  const chosen = chosenMethods(plan, options.only);
  await startTensorflow(backend);
  const evaluations = await evaluationsOf(plan);
  log("the model before training");
  const base = await keptOnAll(plan.model, evaluations, { keptDir: keptDirOf(outputDir), signal });
  const context: TournamentContext = { plan, outputDir, evaluations, base, backend, log, signal };
  const outcomes = new Map<string, MethodOutcome[]>();
  for (const method of plan.methods) {
    const finished = await Promise.all(seeds.map((seed) => finishedOutcome(context, method, seed)));
    outcomes.set(
      method.name,
      finished.filter((one) => one !== undefined),
    );
  }
  const failed: FailedCell[] = [];
  let table = await writeTournament(context, seeds, outcomes);
  for (const seed of seeds) {
    for (const method of chosen) {
      const own = outcomes.get(method.name) ?? [];
      if (own.some((outcome) => outcome.seed === seed)) continue;
      log(`seed ${seed}, ${method.name}: ${method.what}`);
      try {
        if (signal?.aborted) throw interrupted(outputDir);
        own.push(await runCell(context, method, seed));
      } catch (error) {
        if (!(error instanceof StepwiseError) || error.code === "interrupted") throw error;
        failed.push({ method: method.name, seed, error });
        log(`seed ${seed}, ${method.name} is left out: ${error.message}`);
      }
      own.sort((a, b) => a.seed - b.seed);
      table = await writeTournament(context, seeds, outcomes);
    }
  }
  return { table, failed };
}

function interrupted(outputDir: string): CapacityError {
  const fix = "Run the same command again: it goes on.";
  return new CapacityError({ code: "interrupted", what: "stopped between two cells", where: outputDir, fix });
}

/** Held-out problems of each evaluation of the plan. */
function evaluationsOf(plan: TournamentPlan): Promise<Measured> {
  return Promise.all(
    plan.evaluations.map(async ({ name, problems, seed, min_steps: minSteps, max_steps: maxSteps, traps }) => {
      const range = { ...(minSteps !== undefined && { minSteps }), ...(maxSteps !== undefined && { maxSteps }), traps };
      const { items } = await loadItems({ data: HELDOUT, problems, seeds: [seed], ...range });
      return { name, items };
    }),
  );
}

async function writeTournament(
  { plan, outputDir, base }: TournamentContext,
  seeds: readonly number[],
  outcomes: ReadonlyMap<string, readonly MethodOutcome[]>,
): Promise<string> {
  const methods: MethodOutcomes[] = plan.methods
    .map(({ name, what }) => ({ name, what, outcomes: outcomes.get(name) ?? [] }))
    .filter((method) => method.outcomes.length > 0);
  const table = tournamentTable(base, methods, plan.rival);
  const json = { settings: { seeds, plan }, base, methods };
  await writeText(join(outputDir, "results.json"), `${JSON.stringify(json, null, 1)}\n`);
  await writeText(join(outputDir, "results.md"), table);
  const chart = tournamentChart(Object.keys(base), methods);
  if (chart !== undefined) await writeText(join(outputDir, "curves.svg"), chart);
  return table;
}
