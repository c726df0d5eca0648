// The forward pass of the process reward model, for scoring and for training: questions encoded once each, solutions decoded once
// each, and the log-odds of "yes" against "no" at the ends of their steps.

import type { SolutionTokens } from "../../shared/process-reward.ts";
import type { T5Config } from "../../shared/t5-config.ts";
import { padRows } from "../model/batch.ts";
import { gatherRows } from "../model/gradients.ts";
import type { Parameters } from "../model/parameters.ts";
import { decode, type Encoded, encode, head } from "../model/t5.ts";
import { type Tensor1D, type Tensor4D, tf } from "../tensorflow.ts";

/**
 * logit(yes) - logit(no) at every step end, flat in the order of solutions and steps: [N]. The caller disposes, or differentiates.
 * Solutions of one question share its encoding.
 */
export function stepEndLogits(
  p: Parameters,
  config: T5Config,
  solutions: readonly SolutionTokens[],
  answers: { yes: number; no: number },
): Tensor1D {
  const questions = new Map<string, { at: number; ids: readonly number[] }>();
  const owners = solutions.map(({ promptIds }) => {
    const key = promptIds.join(" ");
    const known = questions.get(key) ?? { at: questions.size, ids: promptIds };
    questions.set(key, known);
    return known.at;
  });
  const prompts = padRows(
    [...questions.values()].map(({ ids }) => ids),
    config.padTokenId,
  );
  const targets = padRows(
    solutions.map(({ decoderIds }) => decoderIds),
    config.padTokenId,
  );
  const encoded = encode(p, config, prompts);
  const shared = solutions.length > questions.size;
  const hidden = decode(p, config, shared ? spread(encoded, owners) : encoded, targets); // [C*T, D]
  const positions = solutions.flatMap(({ stepEnds }, row) => stepEnds.map((end) => row * targets.length + end));
  const read = gatherRows(hidden, tf.tensor1d(positions, "int32")); // [N, D]
  const rows = gatherRows(head(p), tf.tensor1d([answers.yes, answers.no], "int32")); // [2, D]
  const direction = tf.sum(tf.mul(rows, tf.tensor2d([1, -1], [2, 1])), 0); // [D], yes minus no
  return tf.sum(tf.mul(read, direction), 1);
}

/** The encodings of questions [B*S, D] as those of their solutions: row `r` belongs to question `owners[r]`. */
function spread({ hidden, maskBias, length }: Encoded, owners: readonly number[]): Encoded {
  const ids = new Int32Array(owners.length * length);
  owners.forEach((owner, row) => {
    for (let s = 0; s < length; s++) ids[row * length + s] = owner * length + s;
  });
  return {
    hidden: gatherRows(hidden, tf.tensor1d(ids, "int32")),
    maskBias: tf.gather(maskBias, tf.tensor1d([...owners], "int32")) as Tensor4D,
    batch: owners.length,
    length,
  };
}
