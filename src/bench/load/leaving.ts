// Callers who leave at random moments: in the line, while their prompt is read, in mid-answer. Nothing of theirs may stay.

import { ask, requestOf } from "./client.ts";
import { gauge, wasmMegabytes } from "./overload.ts";

export interface Leaving {
  clients: number;
  left: number;
  answered_before: number;
  refused: number;
  /** Time from the last departure until nothing runs or waits. */
  quiet_after_ms: number;
  wasm_mb_after_half: number;
  wasm_mb_after: number;
  /** An answer afterwards is what it was before. */
  same_after: boolean;
}

const AT_ONCE = 24;
const LONGEST_STAY_MS = 400;
const QUIET_LIMIT_MS = 10_000;

/** Lets `clients` callers come and go, `random` in [0, 1) says when. */
export async function measureLeaving(
  url: string,
  { clients, maxNewTokens, random }: { clients: number; maxNewTokens: number; random: () => number },
): Promise<Leaving> {
  const probe = requestOf(3, { maxNewTokens });
  const before = await ask(url, probe);
  const counts = { left: 0, answered: 0, refused: 0 };
  let [next, halfway] = [0, Number.NaN];
  const caller = async (): Promise<void> => {
    while (next < clients) {
      const index = next++;
      if (index === Math.floor(clients / 2)) halfway = await wasmMegabytes(url);
      const { status } = await ask(
        url,
        requestOf(index, { maxNewTokens, mixed: true }),
        AbortSignal.timeout(1 + Math.floor(random() * LONGEST_STAY_MS)),
      );
      counts[status === 0 ? "left" : status === 200 ? "answered" : "refused"]++;
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, caller));
  const started = performance.now();
  while ((await gauge(url, "stepwise_queue_length")) > 0 && performance.now() - started < QUIET_LIMIT_MS) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const quiet = performance.now() - started;
  return {
    clients,
    left: counts.left,
    answered_before: counts.answered,
    refused: counts.refused,
    quiet_after_ms: quiet,
    wasm_mb_after_half: halfway,
    wasm_mb_after: await wasmMegabytes(url),
    same_after: (await ask(url, probe)).text === before.text,
  };
}
