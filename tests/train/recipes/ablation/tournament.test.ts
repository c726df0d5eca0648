// A whole tournament on a tiny random model: a stopped one goes on, what is finished stays, and only what changed is run again.

import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runTournament } from "../../../../src/train/recipes/ablation/tournament.ts";
import type { TournamentPlan } from "../../../../src/train/recipes/ablation/tournament-plan.ts";
import { writeTinySolver } from "../pretrain/tiny-folder.ts";

let dir = "";
let plan: TournamentPlan;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "tournament-"));
  const model = join(dir, "model");
  await writeTinySolver(model);
  plan = {
    model,
    reward_model: model,
    train: { max_steps: 1, logging_steps: 1, num_train_epochs: 1, per_device_train_batch_size: 2 },
    online: { rounds: 1, problems: 3, samples: 3, max_new_tokens: 40, temperature: 1.3, learn_from: "best-worst" },
    evaluations: [{ name: "short", problems: 2, seed: 9, traps: false }],
    curve_problems: 1,
    rival: "sigmoid",
    methods: [
      { name: "sigmoid", what: "one loss", train: { loss_type: "sigmoid" }, online: {} },
      { name: "ipo", what: "another", train: { loss_type: "ipo" }, online: { temperature: 1.4 } },
    ],
  };
}, 120_000);
afterAll(() => rm(dir, { recursive: true, force: true }));

/** Runs it; the cells that were begun, by the log. */
async function run(changes: Partial<TournamentPlan>, options: { only?: string[]; stopAt?: string } = {}) {
  const begun: string[] = [];
  const controller = new AbortController();
  const { table, failed } = await runTournament({
    plan: { ...plan, ...changes },
    outputDir: join(dir, "out"),
    seeds: [1],
    only: options.only,
    backend: "auto",
    signal: controller.signal,
    log: (line) => {
      const [, cell] = line.match(/^seed (\d+, \w+): /) ?? [];
      if (cell === undefined) return;
      begun.push(cell);
      if (cell === options.stopAt) controller.abort();
    },
  });
  const rows = table.split("\n").flatMap((line) => line.match(/^\| (sigmoid|ipo) \|/)?.[1] ?? []);
  return { begun, failed: failed.map(({ method }) => method), rows };
}
const changeOf = async (...path: string[]): Promise<number> => (await stat(join(dir, "out", ...path))).mtimeMs;

test("a tournament that is stopped goes on, and a later one runs only what changed", { timeout: 120_000 }, async () => {
  await expect(run({}, { stopAt: "1, ipo" })).rejects.toMatchObject({ code: "interrupted" });
  const both = ["sigmoid", "ipo"];
  const measured = await readdir(join(dir, "out", "measured"));
  const first = await changeOf("seed-1", "sigmoid", "outcome.json");
  const resumed = await run({});
  expect(resumed).toEqual({ begun: ["1, ipo"], failed: [], rows: both });
  expect(await changeOf("seed-1", "sigmoid", "outcome.json")).toBe(first);
  // nothing that was solved is solved again
  const before = await Promise.all(measured.map((file) => changeOf("measured", file)));

  // a loss that is no number: that method is left out and told of, the others stay
  const [sigmoid, ipo] = plan.methods;
  if (sigmoid === undefined || ipo === undefined) throw new Error("two methods");
  const broken = { ...ipo, name: "broken", train: { ...ipo.train, max_steps: 2, learning_rate: 1e38 } };
  const left = await run({ methods: [broken, sigmoid, ipo] });
  expect(left).toEqual({ begun: ["1, broken"], failed: ["broken"], rows: both });

  // other settings: begun anew; the other cell is shown, whichever are asked for
  const faster = { ...ipo, train: { ...ipo.train, learning_rate: 1e-3 } };
  const changed = await run({ methods: [sigmoid, faster] }, { only: ["ipo"] });
  expect(changed).toEqual({ begun: ["1, ipo"], failed: [], rows: both });

  // another evaluation: nothing of the first cell is trained, the new problems alone are solved
  const evaluations = [...plan.evaluations, { name: "other", problems: 1, seed: 10, traps: false }];
  const trained = await changeOf("seed-1", "sigmoid", "run", "online_state.json");
  expect(await run({ evaluations })).toEqual({ begun: ["1, sigmoid", "1, ipo"], failed: [], rows: [...both, ...both] });
  expect(await changeOf("seed-1", "sigmoid", "run", "online_state.json")).toBe(trained);
  expect(await Promise.all(measured.map((file) => changeOf("measured", file)))).toEqual(before);
  const results = JSON.parse(await readFile(join(dir, "out", "results.json"), "utf8"));
  expect(Object.keys(results.base)).toEqual(["short", "other"]);
});
