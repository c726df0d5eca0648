// Several pieces of work for one call: when one fails, nobody waits for the others.

import type { Call } from "./call.ts";

/** Runs `work` for every item, up to `atOnce` at a time. The first failure aborts the call, and is thrown when all have ended. */
export async function firstFailureAborts<T, R>(
  call: Pick<Call, "abort">,
  items: readonly T[],
  work: (item: T, index: number) => Promise<R>,
  atOnce = items.length,
): Promise<R[]> {
  let failure: { error: unknown } | undefined;
  const results: R[] = [];
  const rest = items.entries();
  const runRest = async (): Promise<void> => {
    for (const [index, item] of rest) {
      if (failure !== undefined) return;
      try {
        results[index] = await work(item, index);
      } catch (error) {
        failure ??= { error };
        call.abort(error);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, runRest));
  if (failure !== undefined) throw failure.error;
  return results;
}
