// What a judge says by its definition: the reference that its faster passes are held to.

import { padRows } from "../../../../src/train/model/batch.ts";
import { completionLogps } from "../../../../src/train/model/logps.ts";
import type { FolderTokenizer, Model } from "../../../../src/train/store/model-folder.ts";
import { tf } from "../../../../src/train/tensorflow/tensorflow.ts";

/** P(yes) / (P(yes) + P(no)) of the answer to the tokens of one judge prompt, from the log-probs of each as a one-token completion, one at a time. */
export function scoreByDefinition(model: Model, tokenizer: FolderTokenizer, ids: readonly number[]): number {
  const probability = (label: number): number =>
    tf.tidy(() => {
      const { sequenceLogps } = completionLogps(model.parameters, model.config, {
        prompts: padRows([ids], 0),
        labels: [[label]],
      });
      return Math.exp(sequenceLogps.dataSync()[0] ?? Number.NaN);
    });
  const yes = probability(tokenizer.yesTokenId);
  return yes / (yes + probability(tokenizer.noTokenId));
}
