// Continuations of solutions that are already begun: what branches and Monte Carlo labels are made of.

import { policyPrompt } from "../../../shared/prompts.ts";
import type { SamplingOptions } from "../../../shared/sampling.ts";
import { prefixIds } from "./prefix-ids.ts";
import type { Policy } from "./sample-rollouts.ts";

/** A solution that is begun: right steps one a line, or none. */
export interface Start {
  prompt: string;
  prefix: string;
  stream: number;
}

export interface ContinueOptions {
  /** Continuations of each start. */
  samples: number;
  sampling: SamplingOptions;
  /** Most new tokens of a continuation. */
  maxNewTokens: number;
  seed: number;
  batchSize?: number | undefined;
  /** Stop after these tokens too. */
  stopTokenIds?: readonly number[] | undefined;
  signal?: AbortSignal | undefined;
  /** Hears of finished starts. */
  onProgress?: ((done: number) => void) | undefined;
}

/** Texts of what follows each start, in the order of the starts. */
export async function continueAll(
  { generator, tokenizer }: Policy,
  starts: readonly Start[],
  options: ContinueOptions,
): Promise<string[][]> {
  const encoded = new Map<string, number[]>();
  // one array a prompt: its samples share an encoder pass
  const promptIds = (prompt: string): number[] => {
    const known = encoded.get(prompt) ?? tokenizer.encode(policyPrompt(prompt));
    encoded.set(prompt, known);
    return known;
  };
  const { batchSize, stopTokenIds, signal, onProgress, ...request } = options;
  const rows = await generator.generate(
    starts.map(({ prompt }) => promptIds(prompt)),
    {
      ...request,
      prefixes: starts.map(({ prefix }) => prefixIds(tokenizer, prefix)),
      streams: starts.map(({ stream }) => stream),
      ...(batchSize !== undefined && { batchSize }),
      ...(stopTokenIds !== undefined && { stopTokenIds }),
      ...(signal !== undefined && { signal }),
      ...(onProgress !== undefined && { onProgress }),
    },
  );
  return rows.map((samples) => samples.map((ids) => tokenizer.decode(ids)));
}

/** A stream of its own for start `index` of the problem with stream `problem`. */
export function startStream(problem: number, index: number): number {
  return Math.imul(problem, 4096) + index;
}
