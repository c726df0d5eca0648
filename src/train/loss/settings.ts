// The settings of the loss family: names as in TRL (DPOConfig, CPOConfig), what each loss starts from, and which combinations mean
// nothing. No tensors here: the config reads this file.

import { InputError } from "../../shared/errors.ts";

/** `stepwise` is the published loss; the others are named as in TRL. */
export const LOSS_TYPES = ["stepwise", "sigmoid", "ipo", "hinge", "robust", "simpo", "sft"] as const;
export type LossType = (typeof LOSS_TYPES)[number];

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
}

type LossDefaults = Pick<LossSettings, "beta" | "simpoGamma" | "referenceFree" | "lengthNormalization" | "marginRole">;

const DPO_DEFAULTS: LossDefaults = {
  beta: 0.1,
  simpoGamma: 0,
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
};

/** Whether training needs a score of every completion: for the margin in the loss, or to leave pairs out by it. */
export function needsScores(settings: { marginRole: MarginRole; marginMode: MarginMode }): boolean {
  return settings.marginRole !== "none" || settings.marginMode === "skip";
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
  if (settings.labelSmoothing > 0 && isOneOf("ipo", "hinge", "sft"))
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
