// How many bytes of keys and values requests may hold together, so that they stay below the limit of the place where the runtime runs.

import type { T5Config } from "../../shared/t5-config.ts";
import type { Model } from "./model.ts";
import { OWN_BLOCK, roomFor, SOURCE_BLOCK } from "./row-tensors.ts";
import type { Runtime } from "./runtime.ts";
import type { Job } from "./scheduler.ts";
import { bytesAPosition } from "./work.ts";

/** Objects, code and script (docs/benchmarks.md), and what requests and answers take. */
const OBJECT_BYTES = 9_000_000;
/** What is given out: the rest goes to holes between tensors, and to logits (measured). */
const SHARE = 0.95;
/** Even a model that leaves no room serves one short request. */
const LEAST_BYTES = 4_000_000;

/** With these models open, and `runtimeBytes` of the `limitBytes` held by the runtime for them. */
export function memoryBudget(models: ReadonlySet<Model>, runtimeBytes: number, limitBytes: number): number {
  const tables = [...models].reduce((sum, { tableBytes }) => sum + tableBytes, 0);
  // judge and policy of one folder are two models with one table
  const shared = models.size > 1 && new Set([...models].map(({ encoder }) => encoder)).size === 1 ? tables / 2 : tables;
  return Math.max(LEAST_BYTES, SHARE * (limitBytes - OBJECT_BYTES - shared - runtimeBytes));
}

/** Of files that are opened, in the runtime and on their way there. */
const OPENING = 2;

/** Whether files of `newBytes` can be opened beside these models. */
export function fitsBeside(models: ReadonlySet<Model>, runtime: Runtime, newBytes: number): boolean {
  const runtimeBytes = runtime.memoryBytes();
  // a runtime that does not know what it holds has no such limit
  if (runtimeBytes === 0) return true;
  const tables = [...models].reduce((sum, { tableBytes }) => sum + 2 * tableBytes, 0);
  return OBJECT_BYTES + tables + runtimeBytes + OPENING * newBytes + LEAST_BYTES <= runtime.memoryLimitBytes;
}

/** Rows that a request writes beside those of others. */
export interface SharedRows {
  count: number;
  /** Positions of a row at most, what is forced included. */
  length: number;
  /** Positions of its source, padded. */
  sourceLength: number;
}

/** What such rows hold together: the tensors are as long as the longest of them. */
export function rowBytes(config: T5Config, rows: readonly SharedRows[]): number {
  const count = rows.reduce((sum, one) => sum + one.count, 0);
  const positionBytes = bytesAPosition(config);
  const bytesOf = (lengths: readonly number[], block: number): number => {
    const room = roomFor({ rows: count, length: Math.max(0, ...lengths) }, { block, positionBytes });
    return room.rows * room.length * positionBytes;
  };
  const sources = rows.map(({ sourceLength }) => sourceLength);
  return (
    bytesOf(
      rows.map(({ length }) => length),
      OWN_BLOCK,
    ) + bytesOf(sources, SOURCE_BLOCK)
  );
}

/**
 * What jobs hold at most, while they run together. Graphs run one at a time, so that of what a run takes while it lasts only the most
 * counts. A source that is shared lies in the tensors from the step after it was read: one at a time is not there yet.
 */
export function heldBytes(config: T5Config, jobs: readonly Job[]): number {
  const alone = jobs.filter(({ rows }) => rows === undefined);
  const shared = jobs.flatMap(({ rows }) => rows ?? []);
  const sources = Math.max(0, ...jobs.map(({ rows, bytes }) => (rows === undefined ? 0 : bytes)));
  const working = Math.max(0, ...jobs.map(({ workingBytes = 0 }) => workingBytes));
  return alone.reduce((sum, { bytes }) => sum + bytes, 0) + sources + working + rowBytes(config, shared);
}
