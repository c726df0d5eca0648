import { expect, test } from "vitest";
import { InputError } from "../../../../src/shared/errors.ts";
import { resolveTrainConfig, TRAIN_DEFAULTS } from "../../../../src/train/recipes/dpo/config.ts";
import { settingsToJson } from "../../../../src/train/recipes/run/settings.ts";

test("without file and flags the published recipe holds", () => {
  expect(resolveTrainConfig(undefined)).toMatchObject({
    numTrainEpochs: 3,
    perDeviceTrainBatchSize: 2,
    gradientAccumulationSteps: 1,
    learningRate: 5e-5,
    warmupRatio: 0,
    maxGradNorm: 1,
    adamBeta1: 0.9,
    adamBeta2: 0.999,
    adamEpsilon: 1e-8,
    beta: 1,
    aggregation: "mean",
    marginMode: "raw",
    seed: 42,
  });
});

test("flags beat the file, the file beats the defaults", () => {
  const file = { learning_rate: 1e-4, seed: 7 };
  const config = resolveTrainConfig(file, { learningRate: 2e-4, beta: undefined });
  expect(config).toEqual({ ...TRAIN_DEFAULTS, learningRate: 2e-4, seed: 7 });
});

test("the config file uses the names of TRL and transformers, and a saved config reads back the same", () => {
  const config = resolveTrainConfig(null, { adamBeta1: 0.8, rewardModel: "org/judge", saveTotalLimit: 2 });
  const json = settingsToJson(config);
  expect(json).toMatchObject({ adam_beta1: 0.8, reward_model: "org/judge", save_total_limit: 2, eval_steps: null });
  expect(Object.keys(json).sort()).toEqual(
    [
      "adam_beta1",
      "adam_beta2",
      "adam_epsilon",
      "add_tokens",
      "adapter",
      "advantages",
      "aggregation",
      "backend",
      "beta",
      "chat_template",
      "columns",
      "clip_range",
      "data",
      "eval_steps",
      "format",
      "gradient_accumulation_steps",
      "gradient_checkpointing",
      "judge_context",
      "label_smoothing",
      "learning_rate",
      "length_normalization",
      "lora_alpha",
      "lora_r",
      "lora_target_modules",
      "loss_type",
      "logging_steps",
      "margin_mode",
      "margin_role",
      "max_completion_length",
      "max_grad_norm",
      "max_prompt_length",
      "max_steps",
      "model",
      "num_train_epochs",
      "odpo_alpha",
      "output_dir",
      "per_device_train_batch_size",
      "precision",
      "reference_free",
      "reward_model",
      "rpo_alpha",
      "sample_prompts",
      "save_steps",
      "save_total_limit",
      "seed",
      "simpo_gamma",
      "split",
      "strict_vocabulary",
      "step_gamma",
      "warmup_ratio",
      "warmup_steps",
      "weight_decay",
      "workers",
    ].sort(),
  );
  expect(resolveTrainConfig(JSON.parse(JSON.stringify(json)))).toEqual(config);
});

test("an unknown key is an error with the nearest valid one", () => {
  expect(() => resolveTrainConfig({ learning_rat: 1e-4 }, {}, "run.json")).toThrow(InputError);
  expect(() => resolveTrainConfig({ learning_rat: 1e-4 }, {}, "run.json")).toThrow(
    /unknown key "learning_rat" \(run\.json\)\. Did you mean "learning_rate"\?/,
  );
  expect(() => resolveTrainConfig({ learningRate: 1e-4 })).toThrow(/Did you mean "learning_rate"\?/);
});

test.each([
  [{ learning_rate: "5e-5" }, /"learning_rate" is "5e-5"/],
  [{ learning_rate: -1 }, /"learning_rate" is -1/],
  [{ max_steps: 0 }, /"max_steps" is 0/],
  [{ aggregation: "median" }, /"aggregation" is "median".*mean/],
  [{ margin_mode: "none" }, /"margin_mode" is "none".*raw/],
  [{ per_device_train_batch_size: 1.5 }, /"per_device_train_batch_size" is 1\.5/],
  [{ seed: null }, /"seed" is null.*The default is 42/],
])("a wrong value is an error that names setting and value: %j", (file, message) => {
  expect(() => resolveTrainConfig(file, {}, "run.json")).toThrow(message);
  expect(() => resolveTrainConfig(file, {}, "run.json")).toThrow(/\(run\.json\)/);
});

test("a wrong flag is blamed on the command line, not on the file", () => {
  expect(() => resolveTrainConfig({ seed: 1 }, { beta: 0 })).toThrow(/--beta is 0.*\(command line\)/);
});

test.each([[[]], ["text"], [3]])("a config that is not an object is an error: %j", (file) => {
  expect(() => resolveTrainConfig(file)).toThrow(/not a JSON object/);
});

test("the nearest name is the one with the fewest edits", () => {
  expect(() => resolveTrainConfig({ bta: 1 })).toThrow(/Did you mean "beta"\?/);
  expect(() => resolveTrainConfig({ eva_step: 1 })).toThrow(/Did you mean "eval_steps"\?/);
  expect(() => resolveTrainConfig({ epochs: 1 })).toThrow(/Did you mean "num_train_epochs"\?/);
  expect(() => resolveTrainConfig({ xyzzy: 1 })).toThrow(/unknown key "xyzzy" \(config file\)\. Valid keys:/);
});
