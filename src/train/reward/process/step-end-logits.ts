// The forward pass of the process reward model, for scoring and for training: questions encoded once each, solutions decoded once
// each, and the log-odds of "yes" against "no" at the ends of their steps.

import type { SolutionTokens } from "../../../shared/process-reward.ts";
import type { T5Config } from "../../../shared/t5-config.ts";
import { padRows } from "../../model/batch.ts";
import { gatherRows } from "../../model/layers.ts";
import type { Parameters } from "../../model/parameters.ts";
import { decode, encode, head, headInput, normed } from "../../model/t5.ts";
import { type Tensor1D, type Tensor2D, tf } from "../../tensorflow/tensorflow.ts";

/** Token ids of the two answers. */
export interface AnswerIds {
  yes: number;
  no: number;
}

/** Hidden states of decoded solutions, flat: position t of row c at c * length + t. */
export interface DecodedSolutions {
  /** [C*T, D], as the head reads them. */
  hidden: Tensor2D;
  /** The same above as many decoder layers as were asked for, in that order. */
  states: Tensor2D[];
  length: number;
}

/** Runs encoder and decoder once each; solutions of one question share its encoding. */
export function decodeSolutions(
  p: Parameters,
  config: T5Config,
  solutions: readonly SolutionTokens[],
  layers: readonly number[] = [],
): DecodedSolutions {
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
  const shared = questions.size < solutions.length;
  const rows = { ...targets, ...(shared && { promptRows: owners }) };
  const states: Tensor2D[] = [];
  const hidden = decode(
    p,
    config,
    { encoded, targets: rows },
    {
      onDecoderBlock: (below, block) => {
        const at = layers.indexOf(block + 1);
        if (at >= 0) states[at] = headInput(normed(p, "decoder.final_layer_norm", below, config), config);
      },
    },
  );
  return { hidden, states, length: targets.length };
}

/** logit(yes) - logit(no) at positions of the flat hidden states: [N]. */
export function answerLogits(
  p: Parameters,
  hidden: Tensor2D,
  positions: readonly number[],
  answers: AnswerIds,
): Tensor1D {
  const read = gatherRows(hidden, tf.tensor1d([...positions], "int32")); // [N, D]
  const rows = gatherRows(head(p), tf.tensor1d([answers.yes, answers.no], "int32")); // [2, D]
  const direction = tf.sum(tf.mul(rows, tf.tensor2d([1, -1], [2, 1])), 0); // [D], yes minus no
  return tf.sum(tf.mul(read, direction), 1);
}

/** logit(yes) - logit(no) at every step's end, flat in the order of solutions and steps: [N]. */
export function stepEndLogits(
  p: Parameters,
  config: T5Config,
  solutions: readonly SolutionTokens[],
  answers: AnswerIds,
): Tensor1D {
  const { hidden, length } = decodeSolutions(p, config, solutions);
  const positions = solutions.flatMap(({ stepEnds }, row) => stepEnds.map((end) => row * length + end));
  return answerLogits(p, hidden, positions, answers);
}
