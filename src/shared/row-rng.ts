// A random stream for each sample of each prompt, fixed by (seed, stream, sample) alone: what is drawn for one never depends on what
// else is in its batch, on the number of processes, or on where a stopped run was taken up.

import { type Rng, restoreRng } from "./rng.ts";

/** sfc32 seeded with its three words and run in, as its author has it (PractRand: 15 rounds). */
export function rowRng(seed: number, stream: number, sample: number): Rng {
  const rng = restoreRng([seed >>> 0, stream >>> 0, sample >>> 0, 1]);
  for (let i = 0; i < 15; i++) rng.next();
  return rng;
}
