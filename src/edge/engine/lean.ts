// What the low-memory form of a model has beside encoder and decoder: the head as a graph of its own, and the embedding as a table of
// int8 rows with scales, read here so that it never takes the runtime's memory.

import { ShapeError } from "../../shared/errors.ts";
import { LEAN_EMBEDDING_GROUP } from "../../shared/onnx-names.ts";
import type { T5Config } from "../../shared/t5-config.ts";
import type { Session } from "./runtime.ts";

export interface Lean {
  head: Session;
  /** Embeddings of `ids`, row-major `[ids.length, D]`. */
  embed(ids: readonly number[]): Float32Array;
}

/**
 * Lookup in a table `[V, D]` of int8 whose groups of 32 values (whole rows where D is no multiple) share a bfloat16 scale, or of float32
 * without scales; little-endian. Throws ShapeError when the files do not have these sizes.
 */
export function createEmbedding(
  config: T5Config,
  table: Uint8Array,
  scaleBytes: Uint8Array,
  where: string,
): Lean["embed"] {
  const { vocabSize, dModel } = config;
  const floatBytes = vocabSize * dModel * Float32Array.BYTES_PER_ELEMENT;
  if (table.length === floatBytes && scaleBytes.length === 0) return floatLookup(table, dModel);
  const group = dModel % LEAN_EMBEDDING_GROUP === 0 ? LEAN_EMBEDDING_GROUP : dModel;
  const groups = dModel / group;
  if (table.length !== vocabSize * dModel || scaleBytes.length !== vocabSize * groups * 2) {
    throw new ShapeError({
      code: "wrong_shape",
      what: `${table.length} and ${scaleBytes.length} bytes are no embedding [${vocabSize}, ${dModel}] with its scales`,
      where,
      fix: "Export the model again: npm run export -- --model DIR.",
    });
  }
  const values = new Int8Array(table.buffer, table.byteOffset, table.length);
  // a copy only where the bytes do not lie at a multiple of 2
  const aligned = scaleBytes.byteOffset % 2 === 0 ? scaleBytes : scaleBytes.slice();
  const scales = new Uint16Array(aligned.buffer, aligned.byteOffset, aligned.length / 2);
  const word = new Uint32Array(1);
  const wordAsFloat = new Float32Array(word.buffer);
  /** A bfloat16 is the upper half of a float32. */
  const scaleOf = (place: number): number => {
    word[0] = (scales[place] ?? 0x7fc0) << 16;
    return wordAsFloat[0] ?? Number.NaN;
  };
  return (ids) => {
    const out = new Float32Array(ids.length * dModel);
    for (const [row, id] of ids.entries()) {
      for (let start = 0; start < dModel; start += group) {
        const scale = scaleOf(id * groups + start / group);
        for (let i = start; i < start + group; i++)
          out[row * dModel + i] = (values[id * dModel + i] ?? Number.NaN) * scale;
      }
    }
    return out;
  };
}

function floatLookup(table: Uint8Array, dModel: number): Lean["embed"] {
  // a copy only where the bytes do not lie at a multiple of 4
  const aligned = table.byteOffset % 4 === 0 ? table : table.slice();
  const values = new Float32Array(aligned.buffer, aligned.byteOffset, aligned.length / 4);
  return (ids) => {
    const out = new Float32Array(ids.length * dModel);
    for (const [row, id] of ids.entries()) out.set(values.subarray(id * dModel, (id + 1) * dModel), row * dModel);
    return out;
  };
}
