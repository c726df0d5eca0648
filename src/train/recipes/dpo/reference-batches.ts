// Batches of completions to their log-probs under a frozen model, by one process or several. Who computes a batch makes no difference to it.

import { setImmediate as turnOfEventLoop } from "node:timers/promises";
import { startChild } from "../../io/child-process.ts";
import { padRows } from "../../model/batch.ts";
import { completionLogps } from "../../model/logps.ts";
import type { Model } from "../../store/model-folder.ts";
import type { BackendChoice, Precision } from "../../tensorflow/backends.ts";
import { currentBackend, currentPrecision, tf } from "../../tensorflow/tensorflow.ts";
import { distinctPrompts } from "./pair-loss.ts";

export interface ReferenceCompletion {
  /** Under which its value is kept. */
  key: string;
  promptIds: number[];
  ids: number[];
  /** Leading tokens that are given. */
  prefixLength: number;
}

/** A sum of log-probs, or a list by token, of each completion. */
export type Logps = (number | number[])[];

/** What a further process is sent: the folder of its model, then batches. */
export type ReferenceRequest =
  | { open: { dir: string; backend: BackendChoice; precision: Precision } }
  | { batch: readonly ReferenceCompletion[]; byToken: boolean };

/** Batches that wait in a process while it computes, this one counted: it need not wait for its parent. */
const IN_HAND = 2;

/**
 * Computes all batches and hands each to `kept` as soon as it is there. Throws the signal's reason when it is aborted, CapacityError
 * "reference_ended" where a further process dies.
 */
export async function shareBatches(
  batches: readonly (readonly ReferenceCompletion[])[],
  options: {
    model: Model;
    byToken: boolean;
    /** This one counted. */
    processes: number;
    kept: (batch: readonly ReferenceCompletion[], logps: Logps) => Promise<void>;
    signal?: AbortSignal | undefined;
  },
): Promise<void> {
  const { model, byToken, kept, signal } = options;
  let next = 0;
  const work = async (compute: (batch: readonly ReferenceCompletion[]) => Promise<Logps>): Promise<void> => {
    try {
      for (let batch = batches[next++]; batch !== undefined; batch = batches[next++]) {
        signal?.throwIfAborted();
        await kept(batch, await compute(batch));
      }
    } catch (error) {
      next = batches.length;
      throw error;
    }
  };
  const others = Array.from({ length: options.processes - 1 }, () => startReference(model.dir));
  try {
    await Promise.all([
      ...others.flatMap((child) =>
        Array.from({ length: IN_HAND }, () => work((batch) => child.ask({ batch, byToken }))),
      ),
      work(async (batch) => {
        await turnOfEventLoop();
        signal?.throwIfAborted();
        return batchLogps(model, batch, byToken);
      }),
    ]);
  } finally {
    for (const child of others) child.stop();
  }
}

function startReference(dir: string) {
  const child = startChild<ReferenceRequest, Logps>(new URL("./reference-process.ts", import.meta.url), {
    name: "process that computes the reference's log-probs",
    code: "reference_ended",
    fix: "Free some memory, or use fewer workers; what was computed is kept.",
  });
  const open = { dir, backend: currentBackend(), precision: currentPrecision() };
  child.begin({ open }).catch(() => {}); // a failure to open is told by the first answer
  return child;
}

function logpsOf(
  { parameters, config }: Model,
  batch: readonly ReferenceCompletion[],
): ReturnType<typeof completionLogps> {
  const { rows, rowOf } = distinctPrompts(batch);
  const labels = batch.map(({ ids }) => ids);
  const skip = batch.map(({ prefixLength }) => prefixLength);
  return completionLogps(
    parameters,
    config,
    { prompts: padRows(rows, config.padTokenId), labels },
    { promptRows: rowOf, skip },
  );
}

/** As every process computes them. */
export function batchLogps(model: Model, batch: readonly ReferenceCompletion[], byToken: boolean): Logps {
  if (!byToken) return tf.tidy(() => [...logpsOf(model, batch).sequenceLogps.dataSync()]);
  const flat = tf.tidy(() => [...logpsOf(model, batch).tokenLogps.dataSync()]);
  let next = 0;
  return batch.map(({ ids, prefixLength }) => {
    const start = next;
    next += ids.length - prefixLength;
    return flat.slice(start, next);
  });
}
