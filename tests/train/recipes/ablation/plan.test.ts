import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { InputError } from "../../../../src/shared/errors.ts";
import { chosenVariants, readPlan } from "../../../../src/train/recipes/ablation/plan.ts";
import { hashPairs } from "../../../../src/train/recipes/ablation/run-variant.ts";
import { resolveTrainConfig } from "../../../../src/train/recipes/dpo/config.ts";

async function planFile(plan: unknown): Promise<string> {
  const file = join(await mkdtemp(join(tmpdir(), "plan-")), "plan.json");
  await writeFile(file, typeof plan === "string" ? plan : JSON.stringify(plan));
  return file;
}

const variant = { name: "a", what: "x", pairs: { kind: "best-worst", scorer: "judge" }, train: {} };
const plan = { model: "m", reward_model: "r", rollout: { problems: 3, samples: 2 }, variants: [variant] };

test.each(["data/ablation.json", "data/habit.json"])(
  "%s is valid, and so are the settings of its variants",
  async (file) => {
    const shipped = await readPlan(file);
    for (const { name, train } of shipped.variants) {
      expect(() => resolveTrainConfig({ ...shipped.train, ...train }, {}, name)).not.toThrow();
    }
    expect(JSON.parse(await readFile(file, "utf8"))).toHaveProperty("rollout.samples");
  },
);

test("what a plan leaves out has its default", async () => {
  const read = await readPlan(await planFile(plan));
  expect(read.rollout).toEqual({ problems: 3, samples: 2, temperature: 1, max_new_tokens: 128 });
  expect(read.variants[0]?.pairs).toMatchObject({
    aggregation: "mean",
    max_pairs_per_problem: 4,
    require_right: false,
  });
});

test.each([
  ["one sample a problem", { ...plan, rollout: { problems: 3, samples: 1 } }, /rollout\.samples/],
  [
    "an unknown scorer",
    { ...plan, variants: [{ ...variant, pairs: { kind: "step", scorer: "me" } }] },
    /variants\.0\.pairs/,
  ],
  ["an unknown field", { ...plan, modle: "m" }, /modle/],
  ["two variants of one name", { ...plan, variants: [variant, variant] }, /two variants are named "a"/],
  ["broken JSON", "{", /not JSON/],
])("%s is refused by name", async (_, bad, message) => {
  const failure = await readPlan(await planFile(bad)).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(InputError);
  expect(String(failure)).toMatch(message);
});

test("a plan that is not there is an error that names one that is", async () => {
  await expect(readPlan("/nowhere/plan.json")).rejects.toThrow(/plan\.json/);
});

test("variants are chosen by name, and a name that none has is an error that lists them", async () => {
  const read = await readPlan(await planFile({ ...plan, variants: [variant, { ...variant, name: "b" }] }));
  expect(chosenVariants(read, undefined).map(({ name }) => name)).toEqual(["a", "b"]);
  expect(chosenVariants(read, ["b"]).map(({ name }) => name)).toEqual(["b"]);
  expect(() => chosenVariants(read, ["b", "c"])).toThrow(/no variant "c".*It has: a, b/);
});

test("pairs that a variant brings are known by what they hold, as a file and as a folder", async () => {
  const dir = await mkdtemp(join(tmpdir(), "pairs-"));
  const file = join(dir, "train.jsonl");
  // sha256 of "a" and of nothing (FIPS 180-2's own function, by sha256sum)
  await writeFile(file, "a");
  const a = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb";
  const none = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
  expect(await hashPairs(file)).toEqual([a]);
  expect(await hashPairs(dir)).toEqual([a, none]);
  await rm(dir, { recursive: true });
});
