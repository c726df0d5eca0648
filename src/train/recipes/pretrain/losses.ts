// The losses of pretraining: all label tokens when solving; the verdict (first token) and the correction after it when judging.

import type { T5Config } from "../../../shared/t5-config.ts";
import { padRows } from "../../model/batch.ts";
import { gatherRows, labelLogps } from "../../model/layers.ts";
import { encodedLogps } from "../../model/logps.ts";
import type { Parameters } from "../../model/parameters.ts";
import { decode, encode, head, normed } from "../../model/t5.ts";
import type { Encoded } from "../../model/token-batch.ts";
import { valueAndGradients } from "../../optim/gradients.ts";
import { type Tensor, type Tensor1D, type Tensor2D, tf } from "../../tensorflow/tensorflow.ts";
import type { Example, Task } from "./examples.ts";

/** Encoder blocks after which it must be known what should stand in the input. */
const TARGET_BLOCKS = 3;

/** Decoder layers after which the first position must know the result that the judged step should have. */
const RESULT_LAYERS = 2;

/**
 * Deep supervision of the decoder: the right result's digits half-way up at the first position, so that the other half can compare
 * them with those that are written. The head reads the tens from the hidden state and the units from the same, its halves swapped.
 */
function resultLoss(p: Parameters, config: T5Config, encoded: Encoded, batch: readonly Example[]): Tensor | undefined {
  const results = batch.map(({ result }) => result);
  if (results.every((result) => result === undefined)) return undefined;
  const known = results.flatMap((result, row) => (result === undefined ? [] : [{ ...result, row }]));
  const start = {
    ids: tf.tensor1d(new Int32Array(batch.length).fill(config.decoderStartTokenId), "int32"),
    batch: batch.length,
    length: 1,
  };
  const rows = tf.tensor1d(new Int32Array(known.map(({ row }) => row)), "int32");
  const hidden = gatherRows(
    decode(
      p,
      { ...config, numDecoderLayers: Math.min(RESULT_LAYERS, config.numDecoderLayers) },
      { encoded, targets: start },
    ),
    rows,
  );
  const half = config.dModel / 2;
  const swapped = tf.concat([tf.slice(hidden, [0, half]), tf.slice(hidden, [0, 0], [-1, half])], 1) as Tensor2D;
  const tens = tf.tensor1d(new Int32Array(known.map((digits) => digits.tens)), "int32");
  const units = tf.tensor1d(new Int32Array(known.map((digits) => digits.units)), "int32");
  const logps = [labelLogps(hidden, head(p), tens), labelLogps(swapped, head(p), units)];
  return tf.neg(tf.mean(tf.concat(logps)));
}

/** Log-probs of all label tokens, and the loss of what should stand in the inputs. */
function examplesForward(
  p: Parameters,
  config: T5Config,
  batch: readonly Example[],
): { tokenLogps: Tensor1D; targetLoss: Tensor | undefined; resultLoss: Tensor | undefined } {
  const inputs = padRows(
    batch.map(({ input }) => input),
    config.padTokenId,
  );
  const targets = batch.flatMap((example, row) =>
    example.targets.map(({ position, token }) => ({ position: row * inputs.length + position, token })),
  );
  let targetLoss: Tensor | undefined;
  const labels = batch.map((example) => example.labels);
  const encoded = encode(p, config, inputs, {
    onEncoderBlock: (hidden, block) => {
      if (block + 1 !== TARGET_BLOCKS || targets.length === 0) return;
      const at = tf.tensor1d(new Int32Array(targets.map(({ position }) => position)), "int32");
      const tokens = tf.tensor1d(new Int32Array(targets.map(({ token }) => token)), "int32");
      const read = normed(p, "encoder.final_layer_norm", gatherRows(hidden, at), config);
      targetLoss = tf.neg(tf.mean(labelLogps(read, head(p), tokens)));
    },
  });
  const { tokenLogps } = encodedLogps(p, config, { encoded, labels });
  return { tokenLogps, targetLoss, resultLoss: resultLoss(p, config, encoded, batch) };
}

/** The verdicts and the corrections, each a mean of its own: the verdict must not drown in the correction. */
function judgeLosses(logps: Tensor1D, batch: readonly Example[]): { verdict: Tensor; correction: Tensor } {
  const isVerdict = batch.flatMap(({ labels }) => labels.map((_, t) => (t === 0 ? 1 : 0)));
  const mask = tf.tensor1d(isVerdict);
  const verdict = tf.div(tf.sum(tf.mul(logps, mask)), -batch.length);
  const correction = tf.div(tf.sum(tf.mul(logps, tf.sub(1, mask))), batch.length - isVerdict.length);
  return { verdict, correction };
}

/** One batch a task; the gradients are those of the sum of all losses. */
export type TaskBatches = { [T in Task]?: Example[] };

/** Losses by name. */
export type PretrainFigures = Record<string, number>;

/** Losses and their summed gradients, which the caller disposes. */
export function pretrainGradients(
  p: Parameters,
  config: T5Config,
  batches: TaskBatches,
): { figures: PretrainFigures; gradients: Record<string, Tensor> } {
  const figures: PretrainFigures = {};
  const { value, gradients } = valueAndGradients((parameters) => {
    const terms: [string, Tensor][] = [];
    for (const task of ["solve", "fill", "judge", "check"] as const) {
      const batch = batches[task];
      if (batch === undefined) continue;
      const { tokenLogps, targetLoss, resultLoss } = examplesForward(parameters, config, batch);
      if (resultLoss !== undefined) terms.push([`${task}_result_loss`, resultLoss]);
      if (targetLoss !== undefined) terms.push([`${task}_target_loss`, targetLoss]);
      if (task === "solve" || task === "fill") {
        terms.push([`${task}_loss`, tf.neg(tf.mean(tokenLogps))]);
      } else {
        const { verdict, correction } = judgeLosses(tokenLogps, batch);
        terms.push([`${task}_loss`, verdict], [`${task}_correction_loss`, correction]);
      }
    }
    for (const [name, loss] of terms) figures[name] = loss.dataSync()[0] ?? Number.NaN;
    return tf.addN(terms.map(([, loss]) => loss));
  }, p);
  value.dispose();
  return { figures, gradients };
}
