// One decoder step at a time with cached keys and values: what greedy and sampled decoding run on.
// Rows of a batch advance together; finished rows are fed padding and their output is ignored.

import type { T5Config } from "../../../shared/t5-config.ts";
import { type Tensor2D, type Tensor4D, tf } from "../../tensorflow/tensorflow.ts";
import { attend } from "../attention.ts";
import { positionBias } from "../attention-bias.ts";
import { gatherRows, product } from "../layers.ts";
import { project } from "../low-rank.ts";
import { matrix, type Parameters } from "../parameters.ts";
import { feedForward, head, headInput, normed } from "../t5.ts";
import type { Encoded } from "../token-batch.ts";

interface LayerCache {
  selfKey: Tensor4D | undefined;
  selfValue: Tensor4D | undefined;
  crossKey: Tensor4D;
  crossValue: Tensor4D;
}

export interface CachedDecoder {
  /** Feeds one token a row and returns the next token's logits, [B, V] row-major. */
  step(tokens: readonly number[]): Float32Array;
  dispose(): void;
}

/** Starts decoding for encoded prompts (which stay the caller's). The caller disposes the decoder. */
export function createCachedDecoder(p: Parameters, config: T5Config, encoded: Encoded): CachedDecoder {
  const { batch } = encoded;
  const layers: LayerCache[] = Array.from({ length: config.numDecoderLayers }, (_, i) => {
    const memory = (name: string): Tensor4D =>
      tf.keep(
        tf.tidy(() =>
          splitHeads(
            project(p, `decoder.block.${i}.layer.1.EncDecAttention.${name}`, encoded.hidden),
            batch,
            encoded.length,
            config,
          ),
        ),
      );
    return { selfKey: undefined, selfValue: undefined, crossKey: memory("k"), crossValue: memory("v") };
  });
  let position = 0;

  const grow = (past: Tensor4D | undefined, next: Tensor4D): Tensor4D => {
    const whole = past === undefined ? tf.clone(next) : tf.concat([past, next], 2);
    past?.dispose();
    return tf.keep(whole);
  };

  return {
    step(tokens) {
      const logits = tf.tidy(() => {
        const table = matrix(p, "decoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight");
        const bias = positionBias(table, config, {
          queryLength: 1,
          keyLength: position + 1,
          queryOffset: position,
          bidirectional: false,
        });
        let x = gatherRows(matrix(p, "shared.weight"), tf.tensor1d([...tokens], "int32"));
        layers.forEach((cache, i) => {
          const block = `decoder.block.${i}.layer`;
          const self = `${block}.0.SelfAttention`;
          const h = normed(p, `${block}.0.layer_norm`, x, config);
          const heads = (name: string): Tensor4D => splitHeads(project(p, `${self}.${name}`, h), batch, 1, config);
          cache.selfKey = grow(cache.selfKey, heads("k"));
          cache.selfValue = grow(cache.selfValue, heads("v"));
          const own = mergeHeads(attend(heads("q"), cache.selfKey, cache.selfValue, bias));
          x = tf.add(x, project(p, `${self}.o`, own));
          const cross = `${block}.1.EncDecAttention`;
          const query = splitHeads(
            project(p, `${cross}.q`, normed(p, `${block}.1.layer_norm`, x, config)),
            batch,
            1,
            config,
          );
          const seen = mergeHeads(attend(query, cache.crossKey, cache.crossValue, encoded.maskBias));
          x = tf.add(x, project(p, `${cross}.o`, seen));
          x = tf.add(
            x,
            feedForward(p, `${block}.2.DenseReluDense`, normed(p, `${block}.2.layer_norm`, x, config), config),
          );
        });
        return product(headInput(normed(p, "decoder.final_layer_norm", x, config), config), head(p), false, true);
      });
      position += 1;
      const values = logits.dataSync<"float32">();
      logits.dispose();
      return values;
    },
    dispose() {
      for (const { selfKey, selfValue, crossKey, crossValue } of layers) {
        tf.dispose([crossKey, crossValue]);
        selfKey?.dispose();
        selfValue?.dispose();
      }
    },
  };
}

/** [B*T, H*K] -> [B, H, T, K] */
function splitHeads(x: Tensor2D, batch: number, length: number, config: T5Config): Tensor4D {
  return tf.transpose(tf.reshape(x, [batch, length, config.numHeads, config.dKv]), [0, 2, 1, 3]) as Tensor4D;
}

/** [B, H, T, K] -> [B*T, H*K] */
function mergeHeads(x: Tensor4D): Tensor2D {
  const [batch, heads, length, dKv] = x.shape;
  return tf.reshape(tf.transpose(x, [0, 2, 1, 3]), [batch * length, heads * dKv]);
}
