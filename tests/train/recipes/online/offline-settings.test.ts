import { expect, test } from "vitest";
import { resolveTrainConfig, TRAIN_DEFAULTS, type TrainSettings } from "../../../../src/train/recipes/dpo/config.ts";
import { refuseOfflineSettings } from "../../../../src/train/recipes/online/offline-settings.ts";
import { settingsToJson } from "../../../../src/train/recipes/run/settings.ts";

const refuse = (file: object, flags: TrainSettings) =>
  refuseOfflineSettings(flags, resolveTrainConfig(file, flags, "my.json"));

test.each<[TrainSettings, RegExp]>([
  [{ data: "my.jsonl" }, /^--data belongs to training on pairs.*command line.*--problem-source/],
  [{ data: TRAIN_DEFAULTS.data }, /^--data/],
  [{ columns: "prompt=q" }, /^--columns.*--problem-source/],
  [{ strictVocabulary: true }, /^--strict-vocabulary/],
  [{ samplePrompts: 3 }, /^--sample-prompts/],
  [{ evalSteps: 5 }, /^--eval-steps.*--validation-problems/],
])("%j is refused beside --online", (flags, message) => {
  expect(() => refuse({}, flags)).toThrow(message);
});

test("so is a config file that names data, but not the saved form of all defaults", () => {
  expect(() => refuse({ data: "my.jsonl" }, {})).toThrow(/^"data" belongs.*config file/);
  expect(() => refuse(settingsToJson(TRAIN_DEFAULTS), { seed: 1 })).not.toThrow();
});
