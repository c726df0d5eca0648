// The settings of a reward-model training: defaults, and what each may be. camelCase inside, snake_case in the file beside the model.

import { z } from "zod";
import { WEIGHT_TYPES } from "../../store/safetensors.ts";
import { BACKENDS } from "../../tensorflow/backends.ts";
import type { SavedSettings } from "../run/resume.ts";
import { badSetting, flagOf, settingName } from "../run/settings.ts";
import { fraction, INTERVAL_SETTINGS, LEARNING_SETTINGS, LENGTH_SETTINGS } from "../run/step-settings.ts";

const schema = z.strictObject({
  /** What training starts from, a base model or a process reward model: a folder in Hugging Face layout or a Hub id. */
  model: z.string().min(1),
  /** Files or folders with step labels. */
  data: z.array(z.string().min(1)).min(1),
  /** A file or folder to evaluate on; null: what lies beside the data, else a part of it. */
  evalData: z.string().min(1).nullable(),
  /** Part of the questions kept for evaluation where the data brings none. */
  evalFraction: fraction,
  outputDir: z.string().min(1),
  backend: z.enum(BACKENDS),
  seed: z.number().int().min(0).max(0xffffffff),

  ...LEARNING_SETTINGS,
  /** Weight of the language-model loss on right steps; 0: none. */
  lmWeight: z.number().nonnegative(),
  /** Weight of the answers at tokens within steps; 0: none. */
  tokenWeight: z.number().nonnegative(),
  /** Weight of the comparison's deep supervision; 0: none. It needs an added layer. */
  comparisonWeight: z.number().nonnegative(),
  /** Decoder layers added on top of the base model's; of a process reward model that is trained on, those it was given before. */
  extraDecoderLayers: z.number().int().min(0).max(24),

  ...LENGTH_SETTINGS,

  /** How the finished model's weights are kept; checkpoints keep float32. */
  weightType: z.enum(WEIGHT_TYPES),

  ...INTERVAL_SETTINGS,
});

export type RewardConfig = z.infer<typeof schema>;
export type RewardSettings = { [Key in keyof RewardConfig]?: RewardConfig[Key] | undefined };

export const REWARD_DEFAULTS: Readonly<RewardConfig> = {
  model: "data/models/stepwise-t5-nano",
  data: ["data/dpo"],
  evalData: null,
  evalFraction: 0.05,
  outputDir: "outputs/reward_model",
  backend: "auto",
  seed: 42,
  numTrainEpochs: 3,
  maxSteps: -1,
  perDeviceTrainBatchSize: 32,
  gradientAccumulationSteps: 1,
  workers: 1,
  learningRate: 5e-4,
  warmupRatio: 0.05,
  warmupSteps: 0,
  weightDecay: 0.01,
  maxGradNorm: 1,
  lmWeight: 0.5,
  tokenWeight: 0,
  comparisonWeight: 1,
  extraDecoderLayers: 2,
  maxPromptLength: 512,
  maxCompletionLength: 512,
  weightType: "float32",
  loggingSteps: 10,
  saveSteps: 500,
  saveTotalLimit: 3,
  evalSteps: 250,
};

/**
 * The settings over those of a run that is resumed, as its file has them, and over the defaults. Throws InputError naming the flag that is of
 * a wrong type or out of range.
 */
export function resolveRewardConfig(settings: RewardSettings, saved: SavedSettings = {}): RewardConfig {
  const flags = Object.entries(settings).filter(([, value]) => value !== undefined);
  const before = Object.keys(schema.shape).map((key) => [key, saved[settingName(key)]] as const);
  const given = Object.fromEntries([...before.filter(([, value]) => value !== undefined), ...flags]);
  const parsed = schema.safeParse({ ...REWARD_DEFAULTS, ...given });
  if (parsed.success) return parsed.data;
  throw badSetting(parsed.error, {
    settings: given,
    shown: flagOf,
    where: "command line",
    defaults: REWARD_DEFAULTS,
  });
}
