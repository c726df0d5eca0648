// The settings of a training run. camelCase inside; the JSON file uses the names of TRL and transformers (snake_case).
// Flags beat the file, the file beats the defaults. Defaults are those of the published recipe (3 epochs, batch 2, lr 5e-5,
// linear decay, no warm-up, clipping at 1) and, where it is silent, of transformers' TrainingArguments and TRL's DPOConfig.

import { closest, distance } from "fastest-levenshtein";
import { z } from "zod";
import { AGGREGATIONS } from "../../../shared/aggregate.ts";
import { InputError } from "../../../shared/errors.ts";
import { JUDGE_CONTEXTS } from "../../../shared/prompts.ts";
import { CHAT_TEMPLATES } from "../../data/formats/chat-template.ts";
import { FORMAT_NAMES } from "../../data/formats/read-record.ts";
import {
  checkLoss,
  LOSS_DEFAULTS,
  LOSS_TYPES,
  type LossType,
  MARGIN_MODES,
  MARGIN_ROLES,
  OWN_DEFAULTS,
} from "../../loss/settings.ts";
import { ADVANTAGES } from "../../loss/step-credit.ts";
import { BACKENDS, PRECISIONS } from "../../tensorflow/backends.ts";
import type { SavedSettings } from "../run/resume.ts";
import { badSetting, flagOf, settingName } from "../run/settings.ts";
import { count, fraction, INTERVAL_SETTINGS, LEARNING_SETTINGS, LENGTH_SETTINGS } from "../run/step-settings.ts";

export const ADAPTERS = ["none", "lora"] as const;

const configSchema = z.strictObject({
  /** Base model: a folder in Hugging Face layout or a Hub id. */
  model: z.string().min(1),
  /** The frozen model that scores steps; null: the base model itself. */
  rewardModel: z.string().min(1).nullable(),
  /** Folder with train.jsonl and eval.jsonl, or one data file. */
  data: z.string().min(1),
  /** How data of other shapes are read (data/formats/read-record.ts); null: each record by its own shape, its columns as they are. */
  format: z.enum(FORMAT_NAMES).nullable(),
  columns: z.string().min(1).nullable(),
  chatTemplate: z.enum(CHAT_TEMPLATES).nullable(),
  /** The list that is read of a JSON document with one for each split; null: train. */
  split: z.string().min(1).nullable(),
  /** More unknown tokens than a run may lose are an error. */
  strictVocabulary: z.boolean(),
  /** Characters that get tokens of their own before training: "auto" for those that the data have and the vocabulary lacks, or a list. */
  addTokens: z.string().min(1).nullable(),
  outputDir: z.string().min(1),
  backend: z.enum(BACKENDS),
  /** bf16: native TensorFlow rounds the factors of matrix products to bfloat16; weights, sums and everything else stay float32. */
  precision: z.enum(PRECISIONS),
  seed: z.number().int().min(0).max(0xffffffff),

  ...LEARNING_SETTINGS,
  /** Recompute each block in the backward pass: less memory, more time, the same gradients. */
  gradientCheckpointing: z.boolean(),
  adamBeta1: fraction,
  adamBeta2: fraction,
  adamEpsilon: z.number().positive(),

  /** What is trained: all weights, or a low-rank adapter on frozen ones. */
  adapter: z.enum(ADAPTERS),
  loraR: count,
  loraAlpha: z.number().positive(),
  /** Adapted projections, by the last part of their names, separated by commas. */
  loraTargetModules: z.string().regex(/^\w+(\s*,\s*\w+)*$/, "give names separated by commas, as in q,v"),

  /** The loss and its settings: src/train/loss/settings.ts says what each means and which go together. */
  lossType: z.enum(LOSS_TYPES),
  beta: z.number().positive(),
  labelSmoothing: z.number().min(0).lt(0.5),
  simpoGamma: z.number().nonnegative(),
  rpoAlpha: z.number().positive().nullable(),
  referenceFree: z.boolean(),
  lengthNormalization: z.boolean(),
  marginRole: z.enum(MARGIN_ROLES),
  odpoAlpha: z.number().positive(),
  stepGamma: z.number().nonnegative(),
  clipRange: z.number().positive().lt(1),
  advantages: z.enum(ADVANTAGES),
  aggregation: z.enum(AGGREGATIONS),
  judgeContext: z.enum(JUDGE_CONTEXTS),
  marginMode: z.enum(MARGIN_MODES),
  ...LENGTH_SETTINGS,

  ...INTERVAL_SETTINGS,
  /** Prompts of the evaluation split completed before and after training. */
  samplePrompts: z.number().int().nonnegative(),
});

export type TrainConfig = z.infer<typeof configSchema>;

/** Settings from flags or a file: any of the config's fields. */
export type TrainSettings = { [Key in keyof TrainConfig]?: TrainConfig[Key] | undefined };

export const TRAIN_DEFAULTS: Readonly<TrainConfig> = {
  model: "data/models/stepwise-t5-nano",
  rewardModel: null,
  data: "data/dpo",
  format: null,
  columns: null,
  chatTemplate: null,
  split: null,
  strictVocabulary: false,
  addTokens: null,
  outputDir: "outputs/final_stepwise_dpo_model",
  backend: "auto",
  precision: "float32",
  seed: 42,
  numTrainEpochs: 3,
  maxSteps: -1,
  perDeviceTrainBatchSize: 2,
  gradientAccumulationSteps: 1,
  workers: 1,
  learningRate: 5e-5,
  warmupRatio: 0,
  warmupSteps: 0,
  weightDecay: 0,
  maxGradNorm: 1,
  gradientCheckpointing: false,
  adamBeta1: 0.9,
  adamBeta2: 0.999,
  adamEpsilon: 1e-8,
  adapter: "none",
  loraR: 8,
  loraAlpha: 16,
  loraTargetModules: "q,v",
  lossType: "stepwise",
  ...LOSS_DEFAULTS.stepwise,
  labelSmoothing: 0,
  odpoAlpha: 1,
  ...OWN_DEFAULTS,
  aggregation: "mean",
  judgeContext: "prefix",
  marginMode: "raw",
  maxPromptLength: 512,
  maxCompletionLength: 512,
  loggingSteps: 10,
  saveSteps: 500,
  saveTotalLimit: null,
  evalSteps: null,
  samplePrompts: 3,
};

const KEY_BY_NAME = new Map(Object.keys(configSchema.shape).map((key) => [settingName(key), key]));

/** Where the run goes, before its other settings are known. */
export function outputDirOf(fileJson: unknown, flags: TrainSettings): string {
  if (flags.outputDir !== undefined) return flags.outputDir;
  const named = typeof fileJson === "object" && fileJson !== null && "output_dir" in fileJson && fileJson.output_dir;
  return typeof named === "string" ? named : TRAIN_DEFAULTS.outputDir;
}

/**
 * Merges the parsed config file (undefined or null: none) and the flags over the defaults, those of the loss included; `saved` are settings of
 * a run that is resumed, below the file. Throws InputError naming the setting: unknown (with the nearest valid name), of a wrong type, out of
 * range, or of no meaning beside another one.
 */
export function resolveTrainConfig(
  fileJson: unknown,
  flags: TrainSettings = {},
  where = "config file",
  saved?: SavedSettings,
): TrainConfig {
  const fromFile = checkedFile(fileJson, where);
  const before = checkedFile(saved, "settings of the run to resume");
  const fromFlags: Record<string, unknown> = Object.fromEntries(
    Object.entries(flags).filter(([, value]) => value !== undefined),
  );
  check(fromFlags, flagOf, "command line");
  const inFiles = { ...forLoss(before, fromFile.lossType), ...fromFile };
  const given: Record<string, unknown> = { ...forLoss(inFiles, fromFlags.lossType), ...fromFlags };
  const config = configSchema.parse({ ...TRAIN_DEFAULTS, ...lossDefaults(given.lossType), ...given });
  checkLoss(config, LOSS_KEYS.some((key) => key in fromFlags) ? "command line" : where);
  if (config.addTokens !== null && config.adapter !== "none") throw tokensUntrained();
  return config;
}

/** An adapter leaves the embedding and the head as they are: rows of new tokens would stay the means that they begin as. */
function tokensUntrained(): InputError {
  return new InputError({
    code: "adapter_tokens",
    what: "an adapter does not train the rows of added tokens",
    where: "--add-tokens with --adapter",
    fix: "Add and train them first (--add-tokens auto --loss-type sft, without --adapter), then train the adapter on that run's model: --model OUTPUT --adapter lora.",
  });
}

/** Settings that checkLoss looks at. */
const LOSS_KEYS: readonly string[] = [
  ...Object.keys(LOSS_DEFAULTS.stepwise),
  ...Object.keys(OWN_DEFAULTS),
  ...["lossType", "labelSmoothing", "odpoAlpha", "marginMode"],
];

/** A saved config names every setting: under another loss, those that are only the saved loss's own defaults give way. */
function forLoss(fromFile: Record<string, unknown>, lossType: unknown): Record<string, unknown> {
  if (lossType === undefined || lossType === fromFile.lossType) return fromFile;
  const own = new Map<string, unknown>(Object.entries(lossDefaults(fromFile.lossType)));
  return Object.fromEntries(Object.entries(fromFile).filter(([key, value]) => !own.has(key) || own.get(key) !== value));
}

function lossDefaults(lossType: unknown): (typeof LOSS_DEFAULTS)[LossType] {
  return LOSS_DEFAULTS[LOSS_TYPES.find((type) => type === lossType) ?? TRAIN_DEFAULTS.lossType];
}

function checkedFile(json: unknown, where: string): Record<string, unknown> {
  const settings = json === undefined || json === null ? {} : fileSettings(json, where);
  check(settings, (key) => `"${settingName(key)}"`, where);
  return settings;
}

function fileSettings(json: unknown, where: string): Record<string, unknown> {
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    throw new InputError({
      code: "bad_config",
      what: "the config is not a JSON object",
      where,
      fix: 'Write {"learning_rate": 5e-5, ...}.',
    });
  }
  return Object.fromEntries(
    Object.entries(json).map(([name, value]) => {
      const key = KEY_BY_NAME.get(name);
      if (key !== undefined) return [key, value];
      const nearest = likelyKey(name);
      const question = nearest === undefined ? "" : `Did you mean "${nearest}"? `;
      throw new InputError({
        code: "unknown_setting",
        what: `unknown key "${name}"`,
        where,
        fix: `${question}Valid keys: ${[...KEY_BY_NAME.keys()].join(", ")}.`,
      });
    }),
  );
}

/** `shown` gives a setting's name as its author wrote it. */
function check(settings: Record<string, unknown>, shown: (key: string) => string, where: string): void {
  const parsed = configSchema.partial().safeParse(settings);
  if (parsed.success) return;
  throw badSetting(parsed.error, { settings, shown, where, defaults: TRAIN_DEFAULTS });
}

/** The key that was likely meant: one that ends with the name (a flag's, as "epochs"), or one spelt much alike. */
function likelyKey(name: string): string | undefined {
  const keys = [...KEY_BY_NAME.keys()];
  const longer = keys.find((key) => name.length > 3 && key.endsWith(`_${name}`));
  const nearest = closest(name, keys);
  return longer ?? (distance(name, nearest) <= name.length / 2 ? nearest : undefined);
}
