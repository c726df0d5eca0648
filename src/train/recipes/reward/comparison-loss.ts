// Deep supervision of the comparison that a verdict rests on, which one bit a step does not teach. At every token: below, the token itself
// must still be known (a language model's top layer has no more use for it); one layer above, the token that the model would have
// written in its place, and how likely the written one was. Targets are the model's own; no label is needed.
// Three things are read from one hidden state with one head: the last as the answer, the first two with its coordinates shifted by
// half and by a quarter of their number.

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

/** What the comparison itself counts beside its two parts. */
const MATCH_WEIGHT = 2;

/** Sum of the three losses over all tokens of the solutions. */
export function comparisonLoss(
  p: Parameters,
  solutions: readonly SolutionTokens[],
  { below, above, length }: ComparedStates,
  answers: AnswerIds,
): Tensor {
  const positions: number[] = [];
  const written: number[] = [];
  solutions.forEach(({ decoderIds }, row) => {
    for (let t = 1; t < decoderIds.length; t++) {
      positions.push(row * length + t);
      written.push(decoderIds[t] ?? 0);
    }
  });
  const at = tf.tensor1d(positions, "int32");
  const tokens = tf.tensor1d(written, "int32");
  const { expected, chances } = predictions(p, gatherRows(below, tf.sub(at, tf.scalar(1, "int32"))), tokens);
  const read = gatherRows(above, at);
  const width = below.shape[1];
  return tf.addN([
    tf.neg(tf.sum(labelLogps(shifted(gatherRows(below, at), Math.floor(width / 2)), head(p), tokens))),
    tf.neg(tf.sum(labelLogps(shifted(read, Math.floor(width / 4)), head(p), expected))),
    tf.mul(binaryCrossEntropySum(answerLogits(p, above, positions, answers), chances), MATCH_WEIGHT),
  ]);
}

/** The token that each hidden state [N, D] predicts, and the chance that it gives to the written one: constants, not differentiated. */
function predictions(
  p: Parameters,
  hidden: Tensor2D,
  written: Tensor1D,
): { expected: Tensor1D; chances: Float32Array } {
  const values = tf.tidy(() => {
    const logits = tf.matMul(hidden, head(p), false, true); // [N, V]
    const rows = tf.range(0, logits.shape[0], 1, "int32");
    const places = tf.add(tf.mul(rows, tf.scalar(head(p).shape[0], "int32")), written);
    const chance = tf.gather(tf.reshape(tf.softmax(logits), [logits.size]), places);
    return { expected: tf.argMax(logits, 1).dataSync<"int32">(), chances: chance.dataSync<"float32">() };
  });
  return { expected: tf.tensor1d(values.expected, "int32"), chances: values.chances };
}

/** x [N, D] with its coordinates turned round by `by`. */
function shifted(x: Tensor2D, by: number): Tensor2D {
  return tf.concat([tf.slice(x, [0, by]), tf.slice(x, [0, 0], [-1, by])], 1);
}
