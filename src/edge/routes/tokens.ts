// The tokens of a generation as they come, kept for answers that list them.

import type { GeneratedToken } from "../engine/generate.ts";

export interface TokenLog {
  /** For the engine. */
  onToken: (token: GeneratedToken) => void;
  /** The tokens of a candidate so far. */
  of(candidate: number): readonly GeneratedToken[];
}

/** Keeps every token; `also` hears of it, too. */
export function createTokenLog(also?: (token: GeneratedToken) => void): TokenLog {
  const candidates = new Map<number, GeneratedToken[]>();
  return {
    onToken(token) {
      const tokens = candidates.get(token.candidate) ?? [];
      tokens.push(token);
      candidates.set(token.candidate, tokens);
      also?.(token);
    },
    of: (candidate) => candidates.get(candidate) ?? [],
  };
}
