// The settings of the loss family: names as in TRL (DPOConfig, CPOConfig), what each loss starts from, and which combinations mean
// nothing. No tensors here: the config reads this file.

import { InputError } from "../../shared/errors.ts";
import type { AdvantageKind } from "./step-credit.ts";

/** `stepwise` is the published loss; the others are named as in TRL, those in which every step has its own part come last. */
export const LOSS_TYPES = [
  "stepwise",
  "sigmoid",
  "ipo",
  "hinge",
  "robust",
  "simpo",
  "sft",
  "full_step",
  "first_error",
  "grpo",
] as const;
export type LossType = (typeof LOSS_TYPES)[number];

/** Losses that read the score of every step, not an aggregate of them. */
export const STEP_LOSSES = ["full_step", "first_error", "grpo"] as const satisfies readonly LossType[];
export type StepLoss = (typeof STEP_LOSSES)[number];

/** Whether a loss reads the score of every step. */
export function isStepLoss(lossType: LossType): lossType is StepLoss {
  return STEP_LOSSES.some((type) => type === lossType);
}

/** What the score margin r_c - r_r does: see score-margin.ts. */
export const MARGIN_ROLES = ["none", "scale", "offset", "weight"] as const;
export type MarginRole = (typeof MARGIN_ROLES)[number];

/** What to do with a margin of the wrong sign: the formula as it is, its size, zero instead, or leave the pair out. */
export const MARGIN_MODES = ["raw", "abs", "clamp", "skip"] as const;
export type MarginMode = (typeof MARGIN_MODES)[number];

export interface LossSettings {
  lossType: LossType;
  /** Strength of the pull towards the reference (a factor on log-ratios); IPO's tau. */
  beta: number;
  /** Assumed share of pairs whose sides are swapped, in [0, 0.5). */
  labelSmoothing: number;
  /** SimPO's target margin. */
  simpoGamma: number;
  /** Weight of the SFT term on the chosen side; null: none. */
  rpoAlpha: number | null;
  /** true: no reference model, its log-ratio counts as 0. */
  referenceFree: boolean;
  /** true: means of log-probs per token in place of sums. */
  lengthNormalization: boolean;
  marginRole: MarginRole;
  /** Factor on the margin in role `offset`. */
  odpoAlpha: number;
  /** `full_step`: how sharply steps are weighted by their scores; 0 is plain DPO. */
  stepGamma: number;
  /** `grpo`: how far a token's probability may move, as a share of the old one, before its gradient ends. */
  clipRange: number;
  /** `grpo`: what a step is credited with, see step-credit.ts. */
  advantages: AdvantageKind;
}

type LossDefaults = Pick<
  LossSettings,
  "beta" | "simpoGamma" | "rpoAlpha" | "referenceFree" | "lengthNormalization" | "marginRole"
>;

/** Settings that only one loss reads. */
export const OWN_DEFAULTS = {
  stepGamma: 1,
  clipRange: 0.2,
  advantages: "process",
} as const satisfies Partial<LossSettings>;

const DPO_DEFAULTS: LossDefaults = {
  beta: 0.1,
  simpoGamma: 0,
  rpoAlpha: null,
  referenceFree: false,
  lengthNormalization: false,
  marginRole: "none",
};

/** What a loss starts from where nothing is given: TRL's values; SimPO's beta is its paper's. */
export const LOSS_DEFAULTS: Readonly<Record<LossType, LossDefaults>> = {
  stepwise: { ...DPO_DEFAULTS, beta: 1, referenceFree: true, marginRole: "scale" },
  sigmoid: DPO_DEFAULTS,
  ipo: { ...DPO_DEFAULTS, lengthNormalization: true },
  hinge: DPO_DEFAULTS,
  robust: DPO_DEFAULTS,
  simpo: { ...DPO_DEFAULTS, beta: 2, simpoGamma: 0.5, referenceFree: true, lengthNormalization: true },
  sft: { ...DPO_DEFAULTS, beta: 1, referenceFree: true, lengthNormalization: true },
  full_step: DPO_DEFAULTS,
  first_error: { ...DPO_DEFAULTS, rpoAlpha: 1 },
  grpo: { ...DPO_DEFAULTS, beta: 0.04 },
};

/** Whether training needs a score of every completion: for the margin in the loss, or to leave pairs out by it. */
export function needsMargins(settings: { marginRole: MarginRole; marginMode: MarginMode }): boolean {
  return settings.marginRole !== "none" || settings.marginMode === "skip";
}

/** Whether training needs scores of any kind, so that a reward model may be asked. */
export function needsScores(settings: { lossType: LossType; marginRole: MarginRole; marginMode: MarginMode }): boolean {
  return needsMargins(settings) || isStepLoss(settings.lossType);
}

/** Refuses combinations that mean nothing: InputError naming the settings and what to write instead. */
export function checkLoss(settings: LossSettings & { marginMode: MarginMode }, where = "settings"): void {
  const { lossType, marginRole, marginMode } = settings;
  const refuse = (what: string, fix: string): never => {
    throw new InputError({ code: "bad_loss", what, where, fix });
  };
  const isOneOf = (...types: LossType[]): boolean => types.includes(lossType);
  if (lossType === "stepwise" && marginRole !== "scale")
    refuse(
      `loss_type stepwise with margin_role ${marginRole}: the margin as a scale is what makes it stepwise`,
      `Use loss_type sigmoid with margin_role ${marginRole}.`,
    );
  if (settings.labelSmoothing > 0 && isOneOf("ipo", "hinge", "sft", "grpo"))
    refuse(
      `loss_type ${lossType} has no label_smoothing`,
      "Use it with stepwise, sigmoid, robust or simpo, or set it to 0.",
    );
  if (lossType === "robust" && settings.labelSmoothing === 0)
    refuse(
      "loss_type robust with label_smoothing 0 is loss_type sigmoid",
      "Give --label-smoothing the share of swapped pairs, e.g. 0.1.",
    );
  if (settings.simpoGamma > 0 && lossType !== "simpo")
    refuse(`loss_type ${lossType} has no simpo_gamma`, "Use loss_type simpo, or set it to 0.");
  if (!settings.referenceFree && isOneOf("simpo", "sft"))
    refuse(
      `loss_type ${lossType} has no reference model`,
      "Leave reference_free true, or use loss_type sigmoid with length_normalization.",
    );
  if (!settings.lengthNormalization && lossType === "simpo")
    refuse(
      "loss_type simpo is length-normalized",
      "Leave length_normalization true, or use loss_type sigmoid with reference_free.",
    );
  if (lossType === "ipo" && (marginRole === "scale" || marginRole === "offset"))
    refuse(
      `loss_type ipo with margin_role ${marginRole}: its target is 1 / (2 beta)`,
      "Use margin_role weight or none, or loss_type sigmoid.",
    );
  checkStepLoss(settings, refuse);
  if (lossType === "sft" && marginRole !== "none")
    refuse(`loss_type sft with margin_role ${marginRole}: it does not compare the sides`, "Use margin_role none.");
  if (lossType === "sft" && settings.rpoAlpha !== null)
    refuse("loss_type sft with rpo_alpha: the loss is that term already", "Leave rpo_alpha out.");
  if (lossType === "sft" && settings.beta !== 1) refuse("loss_type sft has no beta", "Leave beta out.");
  if (settings.odpoAlpha !== 1 && marginRole !== "offset")
    refuse(`odpo_alpha with margin_role ${marginRole}`, "Use margin_role offset, or leave odpo_alpha out.");
  if (marginRole === "weight" && marginMode === "raw")
    refuse(
      "margin_role weight with margin_mode raw: a reversed margin would reward a growing loss without end",
      "Use margin_mode clamp, skip or abs.",
    );
  if (marginRole === "none" && (marginMode === "abs" || marginMode === "clamp"))
    refuse(
      `margin_mode ${marginMode} with margin_role none: the margin is not in the loss`,
      "Use margin_mode raw or skip, or another margin_role.",
    );
}

function checkStepLoss(settings: LossSettings, refuse: (what: string, fix: string) => never): void {
  const { lossType, marginRole } = settings;
  if (isStepLoss(lossType)) {
    if (marginRole !== "none")
      refuse(
        `loss_type ${lossType} with margin_role ${marginRole}: the scores of the steps are in the loss already`,
        "Use margin_role none.",
      );
    if (settings.lengthNormalization)
      refuse(
        `loss_type ${lossType} with length_normalization: every step has its own weight`,
        "Leave length_normalization out.",
      );
  }
  if (lossType === "grpo" && settings.referenceFree)
    refuse(
      "loss_type grpo with reference_free: the clip is about the policy that wrote the samples",
      "Leave reference_free out.",
    );
  if (lossType === "grpo" && settings.rpoAlpha !== null)
    refuse("loss_type grpo with rpo_alpha: it has no chosen side", "Leave rpo_alpha out.");
  const owners = { stepGamma: "full_step", clipRange: "grpo", advantages: "grpo" } as const;
  for (const [key, owner] of Object.entries(owners) as [keyof typeof owners, StepLoss][])
    if (lossType !== owner && settings[key] !== OWN_DEFAULTS[key]) {
      const name = key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
      refuse(`loss_type ${lossType} has no ${name}`, `Use loss_type ${owner}, or leave ${name} out.`);
    }
}
