// What each loss starts from, and the combinations that are refused because they mean nothing.

import { expect, test } from "vitest";
import { InputError } from "../../../src/shared/errors.ts";
import { LOSS_TYPES, needsScores, STEP_LOSSES } from "../../../src/train/loss/settings.ts";
import { resolveTrainConfig, type TrainSettings } from "../../../src/train/recipes/dpo/config.ts";
import { settingsToJson } from "../../../src/train/recipes/run/settings.ts";

test.each(LOSS_TYPES)("loss_type %s alone is a usable run but for robust, which needs its smoothing", (lossType) => {
  const run = (): unknown => resolveTrainConfig({ loss_type: lossType });
  if (lossType === "robust") expect(run).toThrow(/label_smoothing/);
  else expect(run()).toMatchObject({ lossType });
});

test("each loss starts from its own beta, reference and length normalization", () => {
  expect(resolveTrainConfig({ loss_type: "sigmoid" })).toMatchObject({ beta: 0.1, referenceFree: false });
  expect(resolveTrainConfig({ loss_type: "ipo" })).toMatchObject({ lengthNormalization: true, marginRole: "none" });
  expect(resolveTrainConfig({}, { lossType: "simpo" })).toMatchObject({
    beta: 2,
    simpoGamma: 0.5,
    referenceFree: true,
  });
  expect(resolveTrainConfig({})).toMatchObject({ lossType: "stepwise", beta: 1, marginRole: "scale" });
});

test("what is given beats the loss's own start, in the file too", () => {
  expect(resolveTrainConfig({ beta: 0.3 }, { lossType: "sigmoid" })).toMatchObject({ beta: 0.3 });
});

test("a saved config of another loss reads back the same", () => {
  const config = resolveTrainConfig({}, { lossType: "sigmoid", rpoAlpha: 0.5, marginRole: "offset", odpoAlpha: 2 });
  expect(resolveTrainConfig(JSON.parse(JSON.stringify(settingsToJson(config))))).toEqual(config);
});

test("a saved config taken to another loss keeps what was chosen, not what was the saved loss's default", () => {
  const saved = settingsToJson(resolveTrainConfig({}, { learningRate: 1e-4 }));
  expect(resolveTrainConfig(saved, { lossType: "sigmoid" })).toMatchObject({
    beta: 0.1,
    referenceFree: false,
    marginRole: "none",
    learningRate: 1e-4,
  });
  const chosen = settingsToJson(resolveTrainConfig({}, { beta: 0.3 }));
  expect(resolveTrainConfig(chosen, { lossType: "sigmoid" })).toMatchObject({ beta: 0.3 });
});

test("scores are needed for a margin in the loss, or to leave pairs out by it", () => {
  const needs = (settings: TrainSettings): boolean => needsScores(resolveTrainConfig({}, settings));
  expect(needs({})).toBe(true);
  expect(needs({ lossType: "sigmoid" })).toBe(false);
  expect(needs({ lossType: "sigmoid", marginMode: "skip" })).toBe(true);
  expect(needs({ lossType: "sigmoid", marginRole: "offset" })).toBe(true);
  expect(needs({ lossType: "sft" })).toBe(false);
  for (const lossType of STEP_LOSSES) expect(needs({ lossType })).toBe(true);
});

test.each<[TrainSettings, RegExp]>([
  [
    { marginRole: "offset" },
    /loss_type stepwise with margin_role offset.*Use loss_type sigmoid with margin_role offset/,
  ],
  [{ lossType: "full_step", marginRole: "scale" }, /the scores of the steps are in the loss already.*margin_role none/],
  [{ lossType: "first_error", lengthNormalization: true }, /every step has its own weight/],
  [{ lossType: "grpo", referenceFree: true }, /the clip is about the policy that wrote the samples/],
  [{ lossType: "grpo", rpoAlpha: 1 }, /it has no chosen side/],
  [{ lossType: "sigmoid", stepGamma: 2 }, /loss_type sigmoid has no step_gamma.*Use loss_type full_step/],
  [{ lossType: "full_step", clipRange: 0.1 }, /loss_type full_step has no clip_range.*Use loss_type grpo/],
  [{ lossType: "ipo", labelSmoothing: 0.1 }, /loss_type ipo has no label_smoothing/],
  [{ lossType: "ipo", marginRole: "scale" }, /its target is 1 \/ \(2 beta\)/],
  [{ lossType: "hinge", labelSmoothing: 0.1 }, /loss_type hinge has no label_smoothing/],
  [{ lossType: "sigmoid", simpoGamma: 1 }, /loss_type sigmoid has no simpo_gamma/],
  [{ lossType: "simpo", referenceFree: false }, /loss_type simpo has no reference model/],
  [{ lossType: "simpo", lengthNormalization: false }, /loss_type simpo is length-normalized/],
  [{ lossType: "sft", beta: 0.1 }, /loss_type sft has no beta/],
  [{ lossType: "sft", rpoAlpha: 1 }, /the loss is that term already/],
  [{ lossType: "sft", marginRole: "weight", marginMode: "clamp" }, /it does not compare the sides/],
  [{ lossType: "sigmoid", odpoAlpha: 2 }, /odpo_alpha with margin_role none/],
  [{ lossType: "sigmoid", marginRole: "weight" }, /a reversed margin would reward.*Use margin_mode clamp/],
  [{ lossType: "sigmoid", marginMode: "abs" }, /the margin is not in the loss/],
])("refused, with what to write instead: %j", (settings, message) => {
  expect(() => resolveTrainConfig({}, settings)).toThrow(InputError);
  expect(() => resolveTrainConfig({}, settings)).toThrow(message);
});

test.each<[TrainSettings, RegExp]>([
  [{ labelSmoothing: 0.5 }, /--label-smoothing is 0\.5/],
  [{ rpoAlpha: 0 }, /--rpo-alpha is 0/],
])("out of range: %j", (settings, message) => {
  expect(() => resolveTrainConfig({}, settings)).toThrow(message);
});
