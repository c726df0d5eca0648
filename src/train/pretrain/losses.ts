// The losses of pretraining: all label tokens when solving; the verdict (first token) and the correction behind it when judging.

import type { T5Config } from "../../shared/t5-config.ts";
import { padRows } from "../model/batch.ts";
import { completionLogps } from "../model/logps.ts";
import type { Parameters } from "../model/parameters.ts";
import { valueAndGradients } from "../optim/gradients.ts";
import { type Tensor, tf } from "../tensorflow.ts";
import type { Example, Task } from "./examples.ts";

function labelLogps(p: Parameters, config: T5Config, batch: readonly Example[]): Tensor {
  const inputs = batch.map(({ input }) => input);
  const labels = batch.map((example) => example.labels);
  return completionLogps(p, config, padRows(inputs, config.padTokenId), labels).tokenLogps;
}

/** The verdicts and the corrections, each a mean of its own: the verdict must not drown in the correction. */
function judgeLosses(
  p: Parameters,
  config: T5Config,
  batch: readonly Example[],
): { verdict: Tensor; correction: Tensor } {
  const isVerdict = batch.flatMap(({ labels }) => labels.map((_, t) => (t === 0 ? 1 : 0)));
  const logps = labelLogps(p, config, batch);
  const mask = tf.tensor1d(isVerdict);
  const verdict = tf.div(tf.sum(tf.mul(logps, mask)), -batch.length);
  const correction = tf.div(tf.sum(tf.mul(logps, tf.sub(1, mask))), batch.length - isVerdict.length);
  return { verdict, correction };
}

/** One batch a task; the gradients are those of the sum of all losses. */
export type TaskBatches = { [T in Task]?: Example[] };

/** Losses by name and their summed gradients, which the caller disposes. */
export function pretrainGradients(
  p: Parameters,
  config: T5Config,
  batches: TaskBatches,
): { losses: Record<string, number>; gradients: Record<string, Tensor> } {
  const losses: Record<string, number> = {};
  const { value, gradients } = valueAndGradients((parameters) => {
    const terms: [string, Tensor][] = [];
    for (const task of ["solve", "fill", "judge", "check"] as const) {
      const batch = batches[task];
      if (batch === undefined) continue;
      if (task === "solve" || task === "fill") {
        terms.push([`${task}_loss`, tf.neg(tf.mean(labelLogps(parameters, config, batch)))]);
      } else {
        const { verdict, correction } = judgeLosses(parameters, config, batch);
        terms.push([`${task}_loss`, verdict], [`${task}_correction_loss`, correction]);
      }
    }
    for (const [name, loss] of terms) losses[name] = loss.dataSync()[0] ?? Number.NaN;
    return tf.addN(terms.map(([, loss]) => loss));
  }, p);
  value.dispose();
  return { losses, gradients };
}
