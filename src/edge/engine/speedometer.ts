// How fast tokens were written of late.

/** Time over which tokens are counted. */
const WINDOW_MS = 10_000;

export interface Speedometer {
  count(tokens: number): void;
  perSecond(): number;
}

/** At rest. `now` is in milliseconds. */
export function createSpeedometer(now: () => number = Date.now): Speedometer {
  let counts: { at: number; tokens: number }[] = [];
  const recent = (): typeof counts => {
    const start = now() - WINDOW_MS;
    counts = counts.filter(({ at }) => at >= start);
    return counts;
  };
  return {
    count(tokens) {
      if (tokens === 0) return;
      const at = now();
      const last = counts.at(-1);
      // one entry for what falls in a tenth of a second
      if (last !== undefined && at - last.at < 100) last.tokens += tokens;
      else counts = [...recent(), { at, tokens }];
    },
    perSecond() {
      const total = recent().reduce((sum, { tokens }) => sum + tokens, 0);
      return (1000 * total) / WINDOW_MS;
    },
  };
}
