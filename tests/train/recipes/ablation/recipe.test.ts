// A whole ablation on a tiny random model: what it writes, and that a second run keeps what is finished.

import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { AblationPlan } from "../../../../src/train/recipes/ablation/plan.ts";
import { runAblation } from "../../../../src/train/recipes/ablation/recipe.ts";
import { writeTinySolver } from "../pretrain/tiny-folder.ts";

let dir = "";
let plan: AblationPlan;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "ablation-"));
  const model = join(dir, "model");
  await writeTinySolver(model);
  const pair = { prompt: "Tom has 2 apples.", chosen: "2 + 1 = 3", rejected: "2 + 1 = 4" };
  await writeFile(join(dir, "own.jsonl"), `${JSON.stringify(pair)}\n`);
  plan = {
    model,
    reward_model: model,
    rollout: { problems: 4, samples: 8, temperature: 1, max_new_tokens: 60 },
    train: { max_steps: 1, logging_steps: 1 },
    variants: [
      {
        name: "judged",
        what: "best against worst, by the judge",
        pairs: {
          kind: "best-worst",
          scorer: "judge",
          aggregation: "mean",
          max_pairs_per_problem: 4,
          require_right: false,
          scored_by: "rollout",
        },
        train: { margin_mode: "abs" },
      },
      { name: "own", what: "pairs from elsewhere", pairs: join(dir, "own.jsonl"), train: { loss_type: "sft" } },
    ],
  };
}, 120_000);
afterAll(() => rm(dir, { recursive: true, force: true }));

async function run(changed: AblationPlan): Promise<{ names: string[]; trained: number; table: string }> {
  const lines: string[] = [];
  const { rows, table } = await runAblation({
    plan: changed,
    outputDir: join(dir, "out"),
    seeds: [1],
    problems: 2,
    evaluationSeed: 9,
    backend: "auto",
    log: (line) => lines.push(line),
  });
  return {
    names: rows.map(({ name }) => name),
    trained: lines.filter((line) => line.startsWith("backend:")).length,
    table,
  };
}

test("every variant is trained once and measured, and a second run trains only what changed", {
  timeout: 180_000,
}, async () => {
  const first = await run(plan);
  expect(first.names).toEqual(["judged", "own"]);
  expect(first.trained).toBe(2);
  const results = JSON.parse(await readFile(join(dir, "out", "results.json"), "utf8"));
  expect(results.settings).toMatchObject({ seeds: [1], problems: 2, evaluation_seed: 9, plan: { model: plan.model } });
  expect(await readFile(join(dir, "out", "results.md"), "utf8")).toBe(first.table);
  const outcomeOf = (name: string) => join(dir, "out", "seed-1", name, "outcome.json");
  const judged = JSON.parse(await readFile(outcomeOf("judged"), "utf8"));
  expect(judged.steps).toBe(1);
  // a problem's best and worst sample are one pair
  expect(judged.pairs).toBeGreaterThan(0);
  expect(judged.pairs).toBeLessThanOrEqual(4);
  // every held-out problem is one observation
  expect(judged.figures.exact_match.counts).toEqual([1, 1]);

  const before = (await stat(outcomeOf("judged"))).mtimeMs;
  const again = await run(plan);
  expect(again).toEqual({ ...first, trained: 0 });
  const [, own] = plan.variants;
  if (own === undefined) throw new Error("no second variant");
  const changed = { ...plan, variants: [...plan.variants.slice(0, 1), { ...own, train: { loss_type: "ipo" } }] };
  expect((await run(changed)).trained).toBe(1);
  expect((await stat(outcomeOf("judged"))).mtimeMs).toBe(before);

  await writeFile(outcomeOf("own"), '{"key": "cut');
  expect((await run(changed)).trained).toBe(1);
});
