// What a worker is asked for when it samples for a trainer elsewhere.

import type { SamplingOptions } from "./sampling.ts";

/** One sample of a rollout: what is drawn follows from seed, stream and sample alone. */
export interface SampleAsk {
  prompt: string;
  /** Text that is already written; "" for none. */
  prefix: string;
  maxNewTokens: number;
  sampling: Pick<SamplingOptions, "doSample" | "temperature" | "topK" | "topP">;
  seed: number;
  stream: number;
  sample: number;
  stopTokenIds: readonly number[];
}
