// The plan of an ablation: the samples that all variants share, and what each variant makes of them.

import { z } from "zod";
import { AGGREGATIONS } from "../../../shared/aggregate.ts";
import { InputError } from "../../../shared/errors.ts";
import { readJson } from "../../io/read-json.ts";
import { PAIR_KINDS } from "../rollout/pair-kinds.ts";
import { SCORER_NAMES } from "../rollout/score-rollouts.ts";

const count = z.number().int().positive();

const variantSchema = z.strictObject({
  name: z.string().regex(/^[\w.-]+$/, "letters, digits, dot, dash and underscore only"),
  /** One line for the table. */
  what: z.string().min(1),
  /** Which pairs are made of the samples; a path: pairs from there instead. */
  pairs: z.union([
    z.string().min(1),
    z.strictObject({
      kind: z.enum(PAIR_KINDS),
      scorer: z.enum(SCORER_NAMES),
      aggregation: z.enum(AGGREGATIONS).default("mean"),
      max_pairs_per_problem: count.default(4),
      require_right: z.boolean().default(false),
      /** "train": the pairs are written without scores, so that the training run's reward model scores them. */
      scored_by: z.enum(["rollout", "train"]).default("rollout"),
    }),
  ]),
  /** Settings of the training run, as in its config file. */
  train: z.record(z.string(), z.unknown()),
});

const planSchema = z.strictObject({
  model: z.string().min(1),
  /** Scores the samples' steps for the scorers `judge` and `both`. */
  reward_model: z.string().min(1),
  /** Problems and samples of each seed's rollout. */
  rollout: z.strictObject({
    problems: count,
    samples: z.number().int().min(2),
    temperature: z.number().positive().default(1),
    max_new_tokens: count.default(128),
  }),
  /** Settings that all variants share. */
  train: z.record(z.string(), z.unknown()).default({}),
  variants: z.array(variantSchema).min(1),
});

export type AblationPlan = z.infer<typeof planSchema>;
export type AblationVariant = z.infer<typeof variantSchema>;

/** Reads and checks a plan. Throws InputError naming the field. */
export async function readPlan(file: string): Promise<AblationPlan> {
  const json = await readJson(file, { error: InputError, fix: "Name a plan with --plan; data/ablation.json is one." });
  const parsed = planSchema.safeParse(json);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const what = `"${issue?.path.join(".") ?? ""}": ${issue?.message ?? "invalid"}`;
    throw new InputError({ code: "bad_plan", what, where: file, fix: "See docs/results.md.", cause: parsed.error });
  }
  const names = parsed.data.variants.map(({ name }) => name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) {
    const fix = "Give every variant a name of its own.";
    throw new InputError({ code: "bad_plan", what: `two variants are named "${twice}"`, where: file, fix });
  }
  return parsed.data;
}

/** The variants of these names, all without names. Throws InputError for a name that no variant has. */
export function chosenVariants(plan: AblationPlan, names: readonly string[] | undefined): AblationVariant[] {
  return chosenByName(plan.variants, names, "variant");
}

/** Those of these names, all without names. Throws InputError for a name that none has. */
export function chosenByName<T extends { name: string }>(
  all: readonly T[],
  names: readonly string[] | undefined,
  kind: "variant" | "method",
): T[] {
  const known = all.map(({ name }) => name);
  const unknown = names?.find((name) => !known.includes(name));
  if (unknown !== undefined) {
    const what = `the plan has no ${kind} "${unknown}"`;
    throw new InputError({ code: `no_${kind}`, what, where: "--only", fix: `It has: ${known.join(", ")}.` });
  }
  return all.filter(({ name }) => names?.includes(name) ?? true);
}
