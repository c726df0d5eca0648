// Rows of different requests that share the steps of one decoder, each with a length, a source and settings of its own. Their keys and
// values lie in tensors of all rows (row-tensors.ts). A row's numbers do not depend on who is beside it: the self-attention reads each row's
// own length (GroupQueryAttention), a source is padded to a multiple of 16 whether alone or not, so that sums are made of the same parts,
// and every other map works row by row.

import type { Model } from "./model.ts";
import { advance, hasEnded, nextInput, type Row } from "./row.ts";
import { createRowTensors, OWN_BLOCK, SOURCE_BLOCK } from "./row-tensors.ts";
import { cacheNames, decoderOutputs, type Encoded, freeEncoded } from "./t5.ts";

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
}

/** One who comes, with the source that the tensors do not yet hold. */
interface Newcomer extends Member {
  source: Encoded;
}

/** Positions that a source of `tokens` takes. */
export function paddedSourceLength(tokens: number): number {
  return Math.ceil(tokens / SOURCE_BLOCK) * SOURCE_BLOCK;
}

/** For a model whose graphs take rows of different lengths (`sharesSteps`). */
export function createRowsTogether(model: Model): RowsTogether {
  const { runtime, config } = model;
  const ownNames = cacheNames(config, ["decoder"]);
  const crossNames = cacheNames(config, ["encoder"]).map(({ past }) => past);
  const shape = { heads: config.numHeads, width: config.dKv };
  const own = createRowTensors(
    runtime,
    ownNames.map(({ past }) => past),
    { ...shape, block: OWN_BLOCK },
  );
  const cross = createRowTensors(runtime, crossNames, { ...shape, block: SOURCE_BLOCK });
  /** In the order of their places. */
  let members: Member[] = [];
  let newcomers: Newcomer[] = [];

  const longestPast = (): number => Math.max(0, ...members.map(({ row }) => row.length));
  const longestSource = (): number => Math.max(0, ...members.map(({ sourceLength }) => sourceLength));

  /** Room for this step's rows and positions, sources of those who came in their places. */
  const makeRoom = (): void => {
    const kept = members.length;
    members = members.concat(newcomers.map(({ row, sourceLength }) => ({ row, sourceLength })));
    own.reserve({ rows: members.length, length: longestPast() + 1 }, kept);
    cross.reserve({ rows: members.length, length: longestSource() }, kept);
    for (const [at, { source }] of newcomers.entries()) {
      for (const name of crossNames) {
        const value = source.states[name];
        if (value !== undefined) cross.write(name, { value, row: 0 }, kept + at);
      }
    }
    for (const source of new Set(newcomers.map((one) => one.source))) freeEncoded(model, source);
    newcomers = [];
  };

  const leave = (leaving: readonly Row[]): void => {
    const gone = newcomers.filter(({ row }) => leaving.includes(row));
    newcomers = newcomers.filter(({ row }) => !leaving.includes(row));
    // several rows may share a source that was not yet copied
    for (const source of new Set(gone.map((one) => one.source))) {
      if (!newcomers.some((one) => one.source === source)) freeEncoded(model, source);
    }
    for (let place = members.length - 1; place >= 0; place--) {
      const member = members[place];
      if (member === undefined || !leaving.includes(member.row)) continue;
      const last = members.pop();
      if (last === undefined || last === member) continue;
      members[place] = last;
      own.move(members.length, place);
      cross.move(members.length, place);
    }
    if (members.length > 0) return;
    own.free();
    cross.free();
  };

  const run = async (): Promise<void> => {
    makeRoom();
    const rows = members.map(({ row }) => row);
    const past = own.views(rows.length);
    const ones = members.flatMap(({ sourceLength }) =>
      Array.from({ length: cross.length }, (_, position) => (position < sourceLength ? 1 : 0)),
    );
    const { logits } = await decoderOutputs(
      model,
      {
        inputIds: rows.map((row) => nextInput(model, row)),
        pastLengths: rows.map((row) => row.length),
        mask: runtime.int64(ones, [rows.length, cross.length]),
        states: { ...past, ...cross.views(rows.length) },
      },
      ownNames.map(({ present }) => present),
      Object.fromEntries(ownNames.flatMap(({ past: name, present }) => (past[name] ? [[present, past[name]]] : []))),
    );
    const { vocabSize } = config;
    for (const [at, row] of rows.entries()) {
      advance(model, row, logits.subarray(at * vocabSize, (at + 1) * vocabSize));
    }
    leave(rows.filter(hasEnded));
  };

  return {
    add(rows, source) {
      const sourceLength = source.mask.dims[1] ?? 0;
      newcomers = newcomers.concat(rows.map((row) => ({ row, sourceLength, source })));
    },
    async step() {
      if (members.length + newcomers.length === 0) return;
      try {
        await run();
      } catch (error) {
        const rows = [...members, ...newcomers].map(({ row }) => row);
        for (const row of rows) row.failure ??= { error };
        leave(rows);
      }
    },
    remove: leave,
    get size() {
      return members.length + newcomers.length;
    },
  };
}

/** Whether the rows of a model's decoder have lengths of their own. */
export function sharesSteps({ lean, manifest }: Model): boolean {
  return lean !== undefined && manifest.rows !== undefined;
}
