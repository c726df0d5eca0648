// Deep supervision of the comparison that a verdict rests on, which one bit a step does not teach. At every token t of a solution:
//
//   hidden state    of                    read by the head           must give
//   below, t - 1    the language model    as it is                   nothing: it says what is expected at t, and how likely the written is
//   below, t        the language model    shifted by half            the written token, for the layer above to compare
//   above, t        one layer above       shifted by a quarter       the expected token
//   above, t        one layer above       as it is, yes against no   how likely the written token is
//
// A language model's top layer has no more use for the token that it reads: it must be told to keep it. Targets are the model's own, constants
// without gradient; no label is needed. Shifted: the coordinates turned round by a part of their number, so that one head reads three things.

import type { SolutionTokens } from "../../../shared/process-reward.ts";
import { gatherRows, labelLogps } from "../../model/layers.ts";
import type { Parameters } from "../../model/parameters.ts";
import { head } from "../../model/t5.ts";
import { type AnswerIds, answerLogits } from "../../reward/process/step-end-logits.ts";
import { type Tensor, type Tensor1D, type Tensor2D, tf } from "../../tensorflow/tensorflow.ts";
import { binaryCrossEntropySum } from "./binary-cross-entropy.ts";

/** Hidden states of a batch as the head reads them, [C*T, D]: of the language model, and one layer above it. */
export interface ComparedStates {
  below: Tensor2D;
  above: Tensor2D;
  length: number;
}

/** Tokens that are compared: all but the start token. */
export function comparedTokens(solutions: readonly SolutionTokens[]): number {
  return solutions.reduce((sum, { decoderIds }) => sum + decoderIds.length - 1, 0);
}

/** Weight of the answer beside the two tokens. */
const ANSWER_WEIGHT = 2;

/** Sum of the three losses over all N tokens of the solutions. */
export function comparisonLoss(
  p: Parameters,
  solutions: readonly SolutionTokens[],
  { below, above, length }: ComparedStates,
  answers: AnswerIds,
): Tensor {
  const places = solutions.flatMap(({ decoderIds }, row) =>
    decoderIds.slice(1).map((token, i) => ({ token, position: row * length + i + 1 })),
  );
  const positions = places.map(({ position }) => position);
  const at = tf.tensor1d(positions, "int32");
  const written = tf.tensor1d(
    places.map(({ token }) => token),
    "int32",
  );
  const { expected, chances } = predictions(p, gatherRows(below, tf.sub(at, tf.scalar(1, "int32"))), written);
  const D = below.shape[1];
  const keptLogps = labelLogps(shifted(gatherRows(below, at), Math.floor(D / 2)), head(p), written);
  const expectedLogps = labelLogps(shifted(gatherRows(above, at), Math.floor(D / 4)), head(p), expected);
  const answerLoss = binaryCrossEntropySum(answerLogits(p, above, positions, answers), chances);
  return tf.addN([tf.neg(tf.sum(keptLogps)), tf.neg(tf.sum(expectedLogps)), tf.mul(answerLoss, ANSWER_WEIGHT)]);
}

/** The token that each hidden state [N, D] predicts, and the chance that it gives to the written one: constants, not differentiated. */
function predictions(
  p: Parameters,
  hidden: Tensor2D,
  written: Tensor1D,
): { expected: Tensor1D; chances: Float32Array } {
  const values = tf.tidy(() => {
    const logits = tf.matMul(hidden, head(p), false, true); // [N, D] x [D, V] -> [N, V]
    const rows = tf.range(0, logits.shape[0], 1, "int32");
    const places = tf.add(tf.mul(rows, tf.scalar(head(p).shape[0], "int32")), written); // in the flat [N*V]
    const chance = tf.gather(tf.reshape(tf.softmax(logits), [logits.size]), places);
    return { expected: tf.argMax(logits, 1).dataSync<"int32">(), chances: chance.dataSync<"float32">() };
  });
  return { expected: tf.tensor1d(values.expected, "int32"), chances: values.chances };
}

/** x [N, D] with its coordinates turned round by `by`. */
function shifted(x: Tensor2D, by: number): Tensor2D {
  return tf.concat([tf.slice(x, [0, by]), tf.slice(x, [0, 0], [-1, by])], 1);
}
