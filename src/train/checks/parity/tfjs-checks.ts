// The trainer's T5 in TensorFlow.js against golden numbers: forward pass, log-probs, loss, gradients, AdamW, greedy decoding.

import type { T5Config } from "../../../shared/t5-config.ts";
import { stepwiseDpoLoss } from "../../loss/stepwise.ts";
import { decoderRows, padRows } from "../../model/batch.ts";
import { product } from "../../model/layers.ts";
import { completionLogps } from "../../model/logps.ts";
import type { Parameters } from "../../model/parameters.ts";
import { decode, encode, head } from "../../model/t5.ts";
import { createAdamW } from "../../optim/adamw.ts";
import { clipByGlobalNorm, globalNorm, valueAndGradients } from "../../optim/gradients.ts";
import type { Model } from "../../store/model-folder.ts";
import { type Tensor, type Tensor1D, type Tensor2D, tf } from "../../tensorflow/tensorflow.ts";
import { completionOf, differingIds, largestGap, type ParityCheck, relativeGap } from "./check.ts";
import type { Golden, GoldenSide } from "./golden.ts";
import { likeliestTokens } from "./likeliest-tokens.ts";

/** Tolerance on hidden states, logits, log-probs and losses, absolute. */
export const VALUE_TOLERANCE = 1e-4;
/** Tolerance on gradient norms, relative. */
const GRADIENT_TOLERANCE = 1e-3;
/** Tolerance on a training curve, in percent of its first loss (docs/parity.md says why not of each value). */
const CURVE_TOLERANCE_PERCENT = 1;
/** Relative size of a float32 rounding error. */
const ROUNDING = 1e-7;

/** The published loss on the golden pairs. */
export function goldenLoss(p: Parameters, config: T5Config, golden: Golden): Tensor {
  const labels = [...golden.chosen.ids, ...golden.rejected.ids];
  const { sequenceLogps } = completionLogps(p, config, { prompts: padRows(golden.prompts, config.padTokenId), labels });
  const count = golden.prompts.length;
  const chosen = tf.slice(sequenceLogps, 0, count) as Tensor1D;
  const rejected = tf.slice(sequenceLogps, count, count) as Tensor1D;
  return stepwiseDpoLoss(chosen, rejected, tf.tensor1d(golden.scoreMargins));
}

function rowsOf(hidden: Tensor2D, start: number, count: number): Float32Array {
  return tf.slice(hidden, [start, 0], [count, -1]).dataSync<"float32">();
}

/** Encoder states, decoder logits and log-probs of tokens and sequences. */
export function checkForward({ parameters: p, config }: Model, golden: Golden): ParityCheck[] {
  const value = (name: string, gap: number): ParityCheck => ({ name, gap, tolerance: VALUE_TOLERANCE, unit: "" });
  const checks: ParityCheck[] = [];
  tf.tidy(() => {
    const prompts = padRows(golden.prompts, config.padTokenId);
    const encoded = encode(p, config, prompts);
    const { row0First, row1Last } = golden.encoder;
    const first = largestGap(rowsOf(encoded.hidden, 0, row0First.length), row0First.flat());
    const lastAt = prompts.length + (golden.prompts[1]?.length ?? 0) - 1;
    const last = largestGap(rowsOf(encoded.hidden, lastAt, 1), row1Last);
    checks.push(value("encoder hidden states", Math.max(first, last)));

    const perSide = (["chosen", "rejected"] as const).map((side) => {
      const { ids, firstLogits, tokenLogps, sequenceLogps }: GoldenSide = golden[side];
      const hidden = decode(p, config, { encoded, targets: padRows(decoderRows(ids, config), config.padTokenId) });
      const logits = product(tf.slice(hidden, [0, 0], [firstLogits.length, -1]), head(p), false, true).dataSync();
      const logps = completionLogps(p, config, { prompts, labels: ids });
      return {
        logits: largestGap(logits, firstLogits.flat()),
        tokens: largestGap(logps.tokenLogps.dataSync(), tokenLogps.flat()),
        sequences: largestGap(logps.sequenceLogps.dataSync(), sequenceLogps),
      };
    });
    checks.push(value("logits", Math.max(...perSide.map((gaps) => gaps.logits))));
    checks.push(value("token log-probs", Math.max(...perSide.map((gaps) => gaps.tokens))));
    checks.push(value("sequence log-probs", Math.max(...perSide.map((gaps) => gaps.sequences))));
  });
  return checks;
}

/** Loss and gradient norms: each parameter's and all together. A parameter that one side lacks makes the gap NaN. */
export function checkGradients({ parameters, config }: Model, golden: Golden): ParityCheck[] {
  const { value, gradients } = valueAndGradients((p) => goldenLoss(p, config, golden), parameters);
  const loss = value.dataSync()[0] ?? Number.NaN;
  const names = new Set([...Object.keys(gradients), ...Object.keys(golden.gradNormByParameter)]);
  let gap = 0;
  for (const name of names) {
    const gradient = gradients[name];
    const norm = gradient === undefined ? Number.NaN : globalNorm({ gradient });
    gap = Math.max(gap, relativeGap(norm, golden.gradNormByParameter[name] ?? Number.NaN));
  }
  const norm = globalNorm(gradients);
  tf.dispose([value, gradients]);
  return [
    { name: "stepwise DPO loss", gap: Math.abs(loss - golden.loss), tolerance: VALUE_TOLERANCE, unit: "" },
    { name: `gradient norms of ${names.size} parameters`, gap, tolerance: GRADIENT_TOLERANCE, unit: "relative" },
    {
      name: "gradient norm of all together",
      gap: relativeGap(norm, golden.gradNorm),
      tolerance: GRADIENT_TOLERANCE,
      unit: "relative",
    },
  ];
}

/** A copy of the parameters, each value times 1 + noise * N(0, 1); noise 0 copies them as they are. */
function copyParameters(parameters: Parameters, noise: number): Record<string, Tensor> {
  const copies: Record<string, Tensor> = {};
  Object.entries(parameters).forEach(([name, tensor], seed) => {
    copies[name] =
      noise === 0
        ? tf.clone(tensor)
        : tf.tidy(() => tf.mul(tensor, tf.randomNormal(tensor.shape, 1, noise, "float32", seed + 1)));
  });
  return copies;
}

/**
 * Losses before each of the golden curve's AdamW steps, with its settings; the model's own parameters stay as they are.
 * `noise` is the relative size of a seeded disturbance of the weights at the start.
 */
export function adamwCurve({ parameters, config }: Model, golden: Golden, noise = 0): number[] {
  const { learningRate, maxGradNorm, curve, ...options } = golden.adamw;
  const optimizer = createAdamW(copyParameters(parameters, noise), options);
  try {
    return curve.map(() => {
      const { value, gradients } = valueAndGradients((p) => goldenLoss(p, config, golden), optimizer.parameters());
      clipByGlobalNorm(gradients, maxGradNorm);
      optimizer.step(gradients, learningRate);
      const loss = value.dataSync()[0] ?? Number.NaN;
      tf.dispose([value, gradients]);
      return loss;
    });
  } finally {
    optimizer.dispose();
  }
}

/**
 * The AdamW curve: its largest gap in percent of the first loss (judged) and of each value (reported), and how far the same code
 * moves the curve when its weights start a rounding error apart: a curve that moves as far as its gap says nothing about the code.
 */
export function checkCurve(model: Model, golden: Golden): ParityCheck[] {
  const losses = adamwCurve(model, golden);
  const expected = golden.adamw.curve.map(({ loss }) => loss);
  const first = Math.abs(expected[0] ?? Number.NaN);
  const name = `AdamW curve, ${losses.length} steps`;
  const ofFirst = (100 * largestGap(losses, expected)) / first;
  const ofValue = 100 * Math.max(...losses.map((loss, i) => relativeGap(loss, expected[i] ?? Number.NaN)));
  const spread = (100 * largestGap(adamwCurve(model, golden, ROUNDING), losses)) / first;
  return [
    { name: `${name}, of the first loss`, gap: ofFirst, tolerance: CURVE_TOLERANCE_PERCENT, unit: "%" },
    { name: `${name}, of each loss`, gap: ofValue, tolerance: undefined, unit: "%" },
    { name: `${name}, own spread at 1e-7`, gap: spread, tolerance: undefined, unit: "%" },
  ];
}

/** Greedy decoding: PyTorch's token ids must be the likeliest at each place. */
export function checkGreedy(model: Model, golden: Golden): ParityCheck {
  const expected = golden.greedy.map((row) => completionOf(row, model.config.eosTokenId));
  const actual = likeliestTokens(model, golden.prompts, expected);
  return { name: "greedy token ids", gap: differingIds(actual, expected), tolerance: 0, unit: "ids" };
}
