// Greedy decoding, checked in one pass: token t of a completion is greedy if it is the likeliest after the tokens before it, so a completion
// is the greedy one if that holds at each of its places (by induction over t). This needs no decoder of TensorFlow.js's own.

import { argmax } from "../../../shared/sampling.ts";
import { decoderRows, padRows } from "../../model/batch.ts";
import { product } from "../../model/layers.ts";
import { decode, encode, head } from "../../model/t5.ts";
import type { Model } from "../../store/model-folder.ts";
import { tf } from "../../tensorflow/tensorflow.ts";

/** The token that the model finds likeliest at each place of a completion, given its prompt and the completion's tokens before; a row each. */
export function likeliestTokens(
  { parameters: p, config }: Pick<Model, "parameters" | "config">,
  prompts: readonly (readonly number[])[],
  completions: readonly (readonly number[])[],
): number[][] {
  const { padTokenId, vocabSize } = config;
  return tf.tidy(() => {
    const encoded = encode(p, config, padRows(prompts, padTokenId));
    const targets = padRows(decoderRows(completions, config), padTokenId);
    const logits = product(decode(p, config, { encoded, targets }), head(p), false, true).dataSync<"float32">(); // [B*T, V]
    return completions.map((row, r) =>
      row.map((_, t) => {
        const place = r * targets.length + t;
        return argmax(logits.subarray(place * vocabSize, (place + 1) * vocabSize));
      }),
    );
  });
}
