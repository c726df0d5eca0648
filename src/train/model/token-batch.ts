// Batches of token rows, which of their tokens are real, and their embeddings.

import { type Tensor1D, type Tensor2D, type Tensor4D, tf } from "../tensorflow/tensorflow.ts";
import { gatherRows } from "./layers.ts";
import { placesOf, type RowsOfTokens, rowsOfLengths, someRows } from "./packed-rows.ts";
import { matrix, type Parameters } from "./parameters.ts";

/** A batch of token rows padded to one length; `mask` is 1 at real tokens. */
export interface TokenBatch {
  /** int32 [B * T]. */
  ids: Tensor1D;
  /** float32 [B, T]. */
  mask: Tensor2D;
  /** Real tokens of each row, at its beginning; absent: nothing is known to be padding, and everything is computed. */
  lengths?: readonly number[] | undefined;
  /** Embeddings of the real tokens [N, D], where they were looked up already. */
  embedded?: Tensor2D | undefined;
  batch: number;
  length: number;
}

/** What the encoder gives the decoder: hidden states [B*S, D] and the additive mask [B, 1, 1, S]. */
export interface Encoded {
  hidden: Tensor2D;
  maskBias: Tensor4D;
  /** The hidden states of only the real tokens [N, D], and which stand in which row; absent: all count as real. */
  packed?: { hidden: Tensor2D; rows: RowsOfTokens } | undefined;
  batch: number;
  length: number;
}

/** Padded decoder inputs (start token first, targets shifted right). */
export interface DecoderBatch extends Omit<TokenBatch, "mask"> {
  /** The prompt that each row belongs to; default: row c belongs to prompt c mod B, and the rows are a whole multiple of the prompts. */
  promptRows?: readonly number[] | undefined;
}

/** Tokens of a batch by row, only the real ones where it says which. */
export function tokenRows({ lengths, batch, length }: Pick<TokenBatch, "lengths" | "batch" | "length">): number[][] {
  return rowsOfLengths(lengths ?? Array.from({ length: batch }, () => length));
}

/** Embeddings of the real tokens of a batch, [N, D]. */
export function embed(p: Parameters, batch: DecoderBatch, rows: RowsOfTokens): Tensor2D {
  if (batch.embedded !== undefined) return batch.embedded;
  return gatherRows(matrix(p, "shared.weight"), realIds(batch, rows));
}

/** Ids of the real tokens, [N]. */
function realIds({ ids, length }: Pick<TokenBatch, "ids" | "length">, rows: RowsOfTokens): Tensor1D {
  const places = placesOf(rows, length);
  return places.length === ids.shape[0] ? ids : tf.gather(ids, tf.tensor1d(places, "int32"));
}

/** Both batches with their embeddings, looked up in one go: the gradient to the embedding is then made once. */
export function embedTogether(
  p: Parameters,
  prompts: TokenBatch,
  targets: TokenBatch,
): { prompts: TokenBatch; targets: TokenBatch } {
  const ids = [prompts, targets].map((batch) => realIds(batch, tokenRows(batch)));
  const rows = gatherRows(matrix(p, "shared.weight"), tf.concat(ids) as Tensor1D);
  const [count = 0] = ids.map(({ size }) => size);
  const [ofPrompts, ofTargets] = [someRows(rows, 0, count), someRows(rows, count, rows.shape[0] - count)];
  return { prompts: { ...prompts, embedded: ofPrompts }, targets: { ...targets, embedded: ofTargets } };
}
