// Which model judges when none is named: the one that the policy was trained with.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { BASE_MODEL, chooseModels } from "../../src/infer/default-models.ts";
import { resolveTrainConfig, type TrainSettings } from "../../src/train/recipes/dpo/config.ts";
import { settingsToJson } from "../../src/train/recipes/run/settings.ts";

let policy: string;
beforeEach(() => {
  policy = mkdtempSync(join(tmpdir(), "policy-"));
});
afterEach(() => rmSync(policy, { recursive: true, force: true }));

function trainedWith(settings: TrainSettings): void {
  writeFileSync(
    join(policy, "train_config.json"),
    JSON.stringify(settingsToJson(resolveTrainConfig(undefined, settings))),
  );
}

test("a policy is judged by the reward model that it was trained with", () => {
  trainedWith({ model: "models/base", rewardModel: "acme/judge" });
  expect(chooseModels({ policy })).toEqual({ policy, reward: "acme/judge" });
});

test("a policy trained without a reward model of its own is judged by its base model", () => {
  trainedWith({ model: "models/base" });
  expect(chooseModels({ policy })).toEqual({ policy, reward: "models/base" });
});

test("a model that was not trained here is judged by the one that ships", () => {
  expect(chooseModels({ policy })).toEqual({ policy, reward: BASE_MODEL });
});

test("the model that is named judges, whatever the settings of the training say", () => {
  writeFileSync(join(policy, "train_config.json"), "{");
  expect(chooseModels({ policy, reward: "other" })).toEqual({ policy, reward: "other" });
});

test.each(["{", '{"model": 3}', "[]"])("damaged settings are named, with what to do: %s", (text) => {
  writeFileSync(join(policy, "train_config.json"), text);
  expect(() => chooseModels({ policy })).toThrow(
    `the settings of the training do not name its model and reward_model (${join(policy, "train_config.json")}). Name the model that scores`,
  );
});
