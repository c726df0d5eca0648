// Rows of different requests that share the steps of one decoder, each with a length, a source and settings of its own. Their keys and
// values lie in tensors of all rows, which are put together anew when rows come or go. A row's numbers do not depend on who is beside it:
// the self-attention reads each row's own length (GroupQueryAttention), a source is padded to a multiple of 16 whether alone or not, so
// that sums are made of the same parts, and every other map works row by row.

import { pastName } from "../../shared/onnx-names.ts";
import type { Model } from "./model.ts";
import { advance, hasEnded, nextInput, type Row } from "./row.ts";
import type { RowPart, Value } from "./runtime.ts";
import { cacheNames, decoderOutputs, type Encoded, emptyCache, freeEncoded } from "./t5.ts";

export interface RowsTogether {
  /** Takes rows that continue one source, and the source, whose memory it frees when it has copied it. */
  add(rows: readonly Row[], source: Encoded): void;
  /** One token of every row; rows that have ended leave. Throws what the runtime throws; all rows have then failed. */
  step(): Promise<void>;
  /** Takes rows out, ended or not. */
  remove(rows: readonly Row[]): void;
  readonly size: number;
}

interface Member {
  row: Row;
  sourceLength: number;
  /** Where its source lies until the tensors hold it. */
  source?: Encoded;
  /** Its place in the tensors. */
  place?: number;
}

/** A source's tensors are as long as a multiple of this. */
const SOURCE_BLOCK = 16;

/** Positions that a source of `tokens` takes. */
export function paddedSourceLength(tokens: number): number {
  return Math.ceil(tokens / SOURCE_BLOCK) * SOURCE_BLOCK;
}

/** For a model whose graphs take rows of different lengths (`sharesSteps`). */
export function createRowsTogether(model: Model): RowsTogether {
  const { runtime, config } = model;
  const own = cacheNames(config, ["decoder"]);
  const cross = cacheNames(config, ["encoder"]).map(({ past }) => past);
  let members: Member[] = [];
  let isStale = false;
  const tensors = new Map<string, Value>();
  let mask: Value | undefined;

  const replace = (name: string, value: Value | undefined): void => {
    const before = tensors.get(name);
    if (before !== undefined) runtime.free([before]);
    if (value === undefined) tensors.delete(name);
    else tensors.set(name, value);
  };
  const partOf = (name: string, { place }: Member): RowPart | undefined => {
    const value = tensors.get(name);
    return value === undefined || place === undefined ? undefined : { value, row: place };
  };
  const sourcePart = (name: string, member: Member): RowPart | undefined => {
    const value = member.source?.states[name];
    return value === undefined ? partOf(name, member) : { value, row: 0 };
  };

  /** Puts the tensors together for the rows that are here now. */
  const assemble = (): void => {
    const batch = members.length;
    const shape = { heads: config.numHeads, width: config.dKv };
    const past = Math.max(0, ...members.map(({ row }) => row.length));
    const length = Math.max(0, ...members.map(({ sourceLength }) => paddedSourceLength(sourceLength)));
    for (const { past: name } of own) {
      const parts = members.map((member) => partOf(name, member));
      replace(name, past === 0 ? undefined : runtime.joinRows(parts, { ...shape, length: past }));
    }
    for (const name of cross) {
      const parts = members.map((member) => sourcePart(name, member));
      replace(name, batch === 0 ? undefined : runtime.joinRows(parts, { ...shape, length }));
    }
    for (const source of new Set(members.map((member) => member.source))) {
      if (source !== undefined) freeEncoded(model, source);
    }
    members = members.map(({ row, sourceLength }, place) => ({ row, sourceLength, place }));
    const ones = members.flatMap(({ sourceLength }) =>
      Array.from({ length }, (_, position) => (position < sourceLength ? 1 : 0)),
    );
    mask = runtime.int64(ones, [batch, length]);
    isStale = false;
  };

  const leave = (leaving: readonly Row[]): void => {
    const gone = members.filter(({ row }) => leaving.includes(row));
    if (gone.length === 0) return;
    members = members.filter(({ row }) => !leaving.includes(row));
    // several rows may share a source that was not yet copied
    for (const source of new Set(gone.map((member) => member.source))) {
      if (source !== undefined && !members.some((member) => member.source === source)) freeEncoded(model, source);
    }
    isStale = true;
    if (members.length === 0) assemble();
  };

  const run = async (): Promise<void> => {
    if (isStale) assemble();
    if (mask === undefined) throw new TypeError("no rows");
    const rows = members.map(({ row }) => row);
    const empty = tensors.has(pastName(0, "decoder", "key")) ? undefined : emptyCache(model, rows.length);
    const { logits, outputs } = await decoderOutputs(
      model,
      {
        inputIds: rows.map((row) => nextInput(model, row)),
        pastLengths: rows.map((row) => row.length),
        mask,
        states: { ...Object.fromEntries(tensors), ...(empty && Object.fromEntries(empty)) },
      },
      own.map(({ present }) => present),
    );
    for (const [index, { past }] of own.entries()) replace(past, outputs[index]);
    const { vocabSize } = config;
    for (const [at, row] of rows.entries()) {
      advance(model, row, logits.subarray(at * vocabSize, (at + 1) * vocabSize));
    }
    leave(rows.filter(hasEnded));
  };

  return {
    add(rows, source) {
      const sourceLength = source.mask.dims[1] ?? 0;
      members = members.concat(rows.map((row) => ({ row, sourceLength, source })));
      isStale = true;
    },
    async step() {
      if (members.length === 0) return;
      try {
        await run();
      } catch (error) {
        const rows = members.map(({ row }) => row);
        for (const row of rows) row.failure ??= { error };
        leave(rows);
      }
    },
    remove: leave,
    get size() {
      return members.length;
    },
  };
}

/** Whether the rows of a model's decoder have lengths of their own. */
export function sharesSteps({ lean, manifest }: Model): boolean {
  return lean !== undefined && manifest.rows !== undefined;
}
