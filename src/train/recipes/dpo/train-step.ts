// The gradients of one optimizer step: loss of the micro-batches, and what it adds up to; and the same loss without training.

import type { T5Config } from "../../../shared/t5-config.ts";
import type { LossSettings } from "../../loss/settings.ts";
import type { Parameters } from "../../model/parameters.ts";
import type { ForwardOptions } from "../../model/t5.ts";
import { addGradients, valueAndGradients } from "../../optim/gradients.ts";
import { type Tensor, tf } from "../../tensorflow/tensorflow.ts";
import { addFigures, NO_FIGURES, type PairFigures, sum } from "./figures.ts";
import { pairLoss, type ScoredPair } from "./pair-loss.ts";

/** Figures of pairs, both sides, without training on them. */
export function evaluatePairs(
  p: Parameters,
  config: T5Config,
  pairs: readonly ScoredPair[],
  loss: LossSettings,
): PairFigures {
  let figures = NO_FIGURES;
  tf.tidy(() => {
    ({ figures } = pairLoss(p, config, pairs, { loss, chosenOnly: false }));
  });
  return figures;
}

/**
 * Gradients of the mean loss over all micro-batches (1 x 8 equals 8 x 1) to the parameters `p`, and the figures. The caller disposes the
 * gradients. `frozen` parameters take part and get none. `of`: pairs of the whole step, where these are a part of it.
 */
export function stepGradients(
  p: Parameters,
  config: T5Config,
  microBatches: readonly (readonly ScoredPair[])[],
  settings: LossSettings & ForwardOptions & { frozen?: Parameters; of?: number },
): { gradients: Record<string, Tensor>; figures: PairFigures } {
  const { frozen, gradientCheckpointing } = settings;
  const of = settings.of ?? sum(microBatches.map((batch) => batch.length));
  let figures = NO_FIGURES;
  let gradients: Record<string, Tensor> | undefined;
  for (const batch of microBatches) {
    const result = valueAndGradients(
      (parameters) => {
        const chosenOnly = settings.lossType === "sft";
        const options = { loss: settings, chosenOnly, gradientCheckpointing };
        const { loss, figures: own } = pairLoss(parameters, config, batch, options);
        figures = addFigures(figures, own);
        return tf.mul(loss, batch.length / of);
      },
      p,
      frozen,
    );
    result.value.dispose();
    gradients = addGradients(gradients, result.gradients);
  }
  return { gradients: gradients ?? {}, figures };
}
