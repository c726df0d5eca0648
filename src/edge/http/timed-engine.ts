// How soon and how fast texts come, for the metrics.

import type { Engine } from "../engine/engine.ts";
import type { Metrics } from "./metrics.ts";

/** The engine, with `stepwise_first_token_seconds` and `stepwise_token_seconds` observed. `now` is in milliseconds. */
export function createTimedEngine(engine: Engine, metrics: Pick<Metrics, "observe">, now = Date.now): Engine {
  return {
    ...engine,
    generate(options) {
      const start = now();
      let last: { at: number; tokens: number } | undefined;
      return engine.generate({
        ...options,
        onProgress(tokens) {
          const at = now();
          if (last === undefined) metrics.observe("stepwise_first_token_seconds", (at - start) / 1000);
          // a caller who looks seldom sees several tokens at once
          else metrics.observe("stepwise_token_seconds", (at - last.at) / (tokens - last.tokens) / 1000);
          last = { at, tokens };
          options.onProgress?.(tokens);
        },
      });
    },
    get queueLength() {
      return engine.queueLength;
    },
    get memoryBytes() {
      return engine.memoryBytes;
    },
  };
}
