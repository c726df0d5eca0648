// The plan of a tournament: methods that learn online, at the same number of samples, from the same model, measured on the same problems.

import { z } from "zod";
import { InputError } from "../../../shared/errors.ts";
import { readJson } from "../../io/read-json.ts";
import { chosenByName } from "./plan.ts";

const count = z.number().int().positive();

const evaluationSchema = z.strictObject({
  name: z.string().regex(/^[\w.-]+$/),
  problems: count,
  /** Of the held-out problems; settings must not be chosen on them. */
  seed: z.number().int().nonnegative(),
  min_steps: count.optional(),
  max_steps: count.optional(),
  /** With numbers that do not matter, and first amounts that are named last. */
  traps: z.boolean().default(false),
});

const methodSchema = z.strictObject({
  name: z.string().regex(/^[\w.-]+$/, "letters, digits, dot, dash and underscore only"),
  /** One line for the table. */
  what: z.string().min(1),
  /** Settings of each update, as in the config file of `npm run train`. */
  train: z.record(z.string(), z.unknown()).default({}),
  /** Settings of `--online`, in snake_case. */
  online: z.record(z.string(), z.unknown()).default({}),
});

const planSchema = z.strictObject({
  model: z.string().min(1),
  /** Scores steps for the scorers `judge` and `both`; null: the checker alone. */
  reward_model: z.string().min(1).nullable().default(null),
  train: z.record(z.string(), z.unknown()).default({}),
  online: z.record(z.string(), z.unknown()),
  evaluations: z.array(evaluationSchema).min(1),
  /** The first so many problems of each evaluation are also solved after every round but the last, for the curves; 0: no curves. */
  curve_problems: z.number().int().nonnegative().default(0),
  /** Method that the others are compared with. */
  rival: z.string().min(1),
  methods: z.array(methodSchema).min(1),
});

export type TournamentPlan = z.infer<typeof planSchema>;
export type TournamentMethod = z.infer<typeof methodSchema>;

/** The methods of these names, all without names. Throws InputError for a name that no method has. */
export function chosenMethods(plan: TournamentPlan, names: readonly string[] | undefined): TournamentMethod[] {
  return chosenByName(plan.methods, names, "method");
}

/** Whether the file's JSON is a tournament's plan and not an ablation's. */
export async function isTournament(file: string): Promise<boolean> {
  const json = await readJson(file, { error: InputError, fix: "Name a plan with --plan." });
  return typeof json === "object" && json !== null && "methods" in json;
}

/** Reads and checks a plan. Throws InputError naming the field. */
export async function readTournament(file: string): Promise<TournamentPlan> {
  const json = await readJson(file, {
    error: InputError,
    fix: "Name a plan with --plan; data/tournament.json is one.",
  });
  const parsed = planSchema.safeParse(json);
  const refuse = (what: string): InputError =>
    new InputError({ code: "bad_plan", what, where: file, fix: "data/tournament.json shows the form." });
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw refuse(`field "${issue?.path.join(".") ?? ""}": ${issue?.message ?? "invalid"}`);
  }
  const names = parsed.data.methods.map(({ name }) => name);
  if (new Set(names).size < names.length) throw refuse("two methods have the same name");
  if (!names.includes(parsed.data.rival)) throw refuse(`the rival "${parsed.data.rival}" is no method of the plan`);
  return parsed.data;
}
