// The candidates of one request, which share its source and their length: decoded by themselves, with any form of the graphs. For graphs
// whose rows have no lengths of their own, and for candidates whose copies of a long source would take too much memory.

import type { Model } from "./model.ts";
import { advance, hasEnded, nextInput, type Row } from "./row.ts";
import { type Cache, decodeStep, type Encoded, freeCache, freeEncoded, repeatSource } from "./t5.ts";

export interface RowsAlone {
  /** One token of every row that has not ended. */
  step(): Promise<void>;
  free(): void;
}

/** Takes the source over. */
export function createRowsAlone(model: Model, rows: readonly Row[], source: Encoded): RowsAlone {
  const encoded = repeatSource(model, source, rows.length);
  let cache: Cache | undefined;
  return {
    async step() {
      const inputIds = rows.map((row) => nextInput(model, row));
      const decoded = await decodeStep(model, encoded, inputIds, cache);
      cache = decoded.cache;
      const { vocabSize } = model.config;
      for (const [at, row] of rows.entries()) {
        if (hasEnded(row)) row.length++;
        else advance(model, row, decoded.logits.subarray(at * vocabSize, (at + 1) * vocabSize));
      }
    },
    free() {
      freeCache(model, cache);
      cache = undefined;
      freeEncoded(model, source);
    },
  };
}
