// Figures of a model on held-out problems, measured once: kept in a file by what they follow from, so that a tournament that is run again
// does not solve them again for the model before training, nor for the problems of an evaluation that stayed as it was.

import { createHash } from "node:crypto";
import { join } from "node:path";
import type { EvaluationItem } from "../../data/problems/items.ts";
import { readJson } from "../../io/read-json.ts";
import { writeText } from "../../io/write-text.ts";
import { hashModel } from "../../store/hash.ts";
import { type Figures, figuresSchema, measurePolicy } from "./figures.ts";

export type Measured = readonly { name: string; items: readonly EvaluationItem[] }[];

/** Figures of the model in `dir` on the items; read from `keptDir` where the same weights have solved the same problems before. */
export async function keptFigures(
  dir: string,
  items: readonly EvaluationItem[],
  { keptDir, signal }: { keptDir: string; signal?: AbortSignal | undefined },
): Promise<Figures> {
  const problems = items.map(({ prompt, gold, answer }) => [prompt, gold ?? null, answer ?? null]);
  const identity = JSON.stringify([await hashModel(dir), problems]);
  const key = createHash("sha256").update(identity).digest("hex");
  const file = join(keptDir, `${key.slice(0, 32)}.json`);
  const kept = figuresSchema.safeParse(await readJson(file, { fix: "" }).catch(() => undefined));
  if (kept.success && kept.data.exact_match.counts.length === items.length) return kept.data;
  const figures = await measurePolicy(dir, items, signal);
  await writeText(file, `${JSON.stringify(figures)}\n`);
  return figures;
}

/** Figures of the model on every evaluation, by its name. */
export async function keptOnAll(
  dir: string,
  evaluations: Measured,
  options: { keptDir: string; signal?: AbortSignal | undefined },
): Promise<Record<string, Figures>> {
  const figures: Record<string, Figures> = {};
  for (const { name, items } of evaluations) figures[name] = await keptFigures(dir, items, options);
  return figures;
}

/** Exact match on the first `problems` of each evaluation. */
export function exactOfFirst(figures: Readonly<Record<string, Figures>>, problems: number): Record<string, number> {
  const mean = (sums: readonly number[]): number => sums.reduce((sum, one) => sum + one, 0) / Math.max(1, sums.length);
  return Object.fromEntries(
    Object.entries(figures).map(([name, { exact_match }]) => [name, mean(exact_match.sums.slice(0, problems))]),
  );
}
