// What differs between weight types: how an activation meets a weight. T5's graphs are written once against this.

import type { Value } from "../graph/graph-builder.ts";

/** Bytes of the checkpoint, tensor by tensor. */
export interface WeightSource {
  /** Shape of a linear weight or table, `[rows, columns]`. */
  shape(name: string): readonly [number, number];
  read(name: string): Promise<Float32Array<ArrayBuffer>>;
}

/** Linear maps and embeddings on weights of one type; `Activation` is an input made ready once for several maps. */
export interface Layers<Activation> {
  activation(x: Value<"float32">): Activation;
  /** `x [..., in]` times the weight `[out, in]` transposed: `[..., out]`. */
  linear(x: Activation, weight: string): Value<"float32">;
  /** `ids [B, T]` to rows of the table `[V, D]`: `[B, T, D]`. */
  embed(ids: Value<"int64">, table: string): Value<"float32">;
  /** As `linear`; shares its bytes with `embed` where both use one table. */
  head(x: Value<"float32">, weight: string): Value<"float32">;
  /** The first `count` rows along axis 1 of a prepared `[B, S, D]`. */
  firstRows(x: Activation, count: Value<"int64">): Activation;
}
