// The flags of `npm run train`: one for every setting of recipes/dpo/config.ts, under its name in kebab-case, some of them shorter
// (--epochs, --batch-size, --output, --rank, --alpha, --target). Flags carry no defaults of their own, so that the config file stays below them.

import { type Command, InvalidArgumentError, Option } from "commander";
import { AGGREGATIONS } from "../src/shared/aggregate.ts";
import { JUDGE_CONTEXTS } from "../src/shared/prompts.ts";
import { CHAT_TEMPLATES } from "../src/train/data/formats/chat-template.ts";
import { FORMAT_NAMES } from "../src/train/data/formats/read-record.ts";
import { LOSS_DEFAULTS, LOSS_TYPES, MARGIN_MODES, MARGIN_ROLES } from "../src/train/loss/settings.ts";
import { ADVANTAGES } from "../src/train/loss/step-credit.ts";
import { ADAPTERS, TRAIN_DEFAULTS, type TrainConfig, type TrainSettings } from "../src/train/recipes/dpo/config.ts";
import { flagOf } from "../src/train/recipes/run/settings.ts";
import { BACKENDS, PRECISIONS } from "../src/train/tensorflow/backends.ts";

type Key = keyof TrainConfig;

const CHOICES: Partial<Record<Key, readonly string[]>> = {
  backend: BACKENDS,
  format: FORMAT_NAMES,
  chatTemplate: CHAT_TEMPLATES,
  precision: PRECISIONS,
  aggregation: AGGREGATIONS,
  judgeContext: JUDGE_CONTEXTS,
  marginMode: MARGIN_MODES,
  adapter: ADAPTERS,
  lossType: LOSS_TYPES,
  marginRole: MARGIN_ROLES,
  advantages: ADVANTAGES,
};

const TEXTS: Partial<Record<Key, string>> = {
  model: "dir|hub-id",
  rewardModel: "dir|hub-id",
  data: "dir|file",
  columns: "map",
  split: "name",
  addTokens: "auto|characters",
  outputDir: "dir",
  loraTargetModules: "names",
};

/** Settings whose default depends on the loss. */
const OF_LOSS: readonly string[] = Object.keys(LOSS_DEFAULTS.stepwise);

const DESCRIPTIONS: Readonly<Record<Key, string>> = {
  model: "base model: a folder in Hugging Face layout or a Hub id",
  rewardModel: "frozen model that scores the steps (default: the base model)",
  data: "folder with train.jsonl and eval.jsonl, or one data file of any kind that prepare-data reads",
  format: "read every record as this one (default: each by its own shape)",
  columns: "usual names of other columns: prompt=question,chosen=good,rejected=bad",
  chatTemplate: "how messages before the answers become one prompt (default: plain)",
  strictVocabulary: "more unknown tokens than one in a thousand are an error",
  addTokens: "tokens for characters that the vocabulary lacks: auto (those of the data), or the characters themselves",
  split: "which list of a JSON file with one for each split (default: train)",
  outputDir: "where the trained model goes",
  backend: "what computes",
  precision: "of the factors of matrix products; bf16 needs native TensorFlow",
  seed: "seed of everything random",
  numTrainEpochs: "passes over the data",
  maxSteps: "optimizer steps; -1: as many as the epochs have",
  perDeviceTrainBatchSize: "pairs a forward pass",
  gradientAccumulationSteps: "forward passes an optimizer step",
  workers: "processes that share the pairs of each step and evaluation, each with its own copy of the weights",
  learningRate: "peak learning rate; decays linearly to 0",
  warmupRatio: "share of the steps that warm up, where --warmup-steps is 0",
  warmupSteps: "steps that warm up",
  weightDecay: "decoupled weight decay",
  maxGradNorm: "gradient norm clipped to; 0: no clipping",
  gradientCheckpointing: "recompute each block in the backward pass: less memory, more time",
  adamBeta1: "AdamW beta1",
  adamBeta2: "AdamW beta2",
  adamEpsilon: "AdamW epsilon",
  adapter: "train a low-rank adapter on frozen weights",
  loraR: "rank of the adapter's matrices",
  loraAlpha: "strength of the adapter: it is scaled by alpha / rank",
  loraTargetModules: "adapted projections: some of q,k,v,o,wi,wi_0,wi_1,wo",
  lossType:
    "the loss; stepwise is the published one, the next six are TRL's; full_step (Full-Step-DPO), first_error and grpo read the score of every step",
  beta: "factor on the log-ratio; IPO's tau",
  labelSmoothing: "assumed share of pairs whose sides are swapped (cDPO, robust)",
  simpoGamma: "SimPO's target margin",
  rpoAlpha: "weight of the SFT term on the chosen side (default: none; of first_error: 1)",
  referenceFree: "leave out the frozen reference model",
  lengthNormalization: "mean log-probs per token in place of sums",
  marginRole: "what the score margin does in the loss",
  odpoAlpha: "factor on the margin where it is an offset",
  stepGamma: "full_step: how sharply steps are weighted by their scores; 0 is plain DPO",
  clipRange: "grpo: how far a token's probability may move from the old one, as a share of it",
  advantages: "grpo: scores to come (process), value gained (progress), or the whole solution's (outcome)",
  aggregation: "step scores to one score",
  judgeContext: "what the judge sees beside the step",
  marginMode: "what becomes of a margin of the wrong sign",
  maxPromptLength: "longest prompt, in tokens",
  maxCompletionLength: "longest completion, in tokens",
  loggingSteps: "steps between log entries",
  saveSteps: "steps between checkpoints",
  saveTotalLimit: "checkpoints kept (default: all)",
  evalSteps: "steps between evaluations (default: at the end only)",
  samplePrompts: "prompts completed before and after training",
};

const KEYS = Object.keys(DESCRIPTIONS).filter((key): key is Key => key in DESCRIPTIONS);

function parseNumber(text: string): number {
  const value = text.trim() === "" ? Number.NaN : Number(text);
  if (!Number.isFinite(value)) throw new InvalidArgumentError("Not a number.");
  return value;
}

function parseBoolean(text: string): boolean {
  if (text !== "true" && text !== "false") throw new InvalidArgumentError("Give true or false.");
  return text === "true";
}

function option(key: Key): Option {
  const byDefault = TRAIN_DEFAULTS[key];
  const ofLoss = OF_LOSS.includes(key) ? ", of stepwise" : "";
  const shown = byDefault === null ? "" : ` (default: ${byDefault}${ofLoss})`;
  const text = TEXTS[key];
  const choices = CHOICES[key];
  const isBoolean = typeof byDefault === "boolean";
  const placeholder = text ?? (choices !== undefined ? "choice" : isBoolean ? "true|false" : "number");
  const value = isBoolean ? `[${placeholder}]` : `<${placeholder}>`; // a bare flag means true
  const made = new Option(`${flagOf(key)} ${value}`, `${DESCRIPTIONS[key]}${shown}`);
  if (choices !== undefined) return made.choices(choices);
  if (text !== undefined) return made;
  return isBoolean ? made.argParser(parseBoolean) : made.argParser(parseNumber);
}

/** Adds the training flags to a command, and `--config <file>`, `--resume`. */
export function addTrainFlags(command: Command): Command {
  command.addOption(new Option("--config <file>", "JSON file of settings; flags beat it"));
  for (const key of KEYS) command.addOption(option(key));
  return command.addOption(
    new Option("--resume", "continue the run in --output, with its own settings, from its newest checkpoint").default(
      false,
    ),
  );
}

/** The parsed command's training flags, for `resolveTrainConfig`, which checks them. */
export function trainFlags(command: Command): TrainSettings {
  const options: Record<string, unknown> = command.opts();
  const settings: Record<string, unknown> = {};
  for (const key of KEYS) {
    const value = options[new Option(flagOf(key)).attributeName()];
    if (value !== undefined) settings[key] = value;
  }
  return settings;
}
