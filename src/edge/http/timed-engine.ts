// How soon and how fast texts come, for the metrics: measured where tokens are told one by one (streams, and answers that list them).

import type { Engine } from "../engine/engine.ts";
import type { Metrics } from "./metrics.ts";

/** The engine, with `stepwise_first_token_seconds` and `stepwise_token_seconds` observed. `now` is in milliseconds. */
export function createTimedEngine(engine: Engine, metrics: Pick<Metrics, "observe">, now = Date.now): Engine {
  return {
    ...engine,
    generate(options) {
      const { onToken } = options;
      if (onToken === undefined) return engine.generate(options);
      const start = now();
      let last: number | undefined;
      return engine.generate({
        ...options,
        onToken(token) {
          // the rows of a step are told together: one of them stands for all
          if (token.candidate === 0) {
            const at = now();
            if (last === undefined) metrics.observe("stepwise_first_token_seconds", (at - start) / 1000);
            else metrics.observe("stepwise_token_seconds", (at - last) / 1000);
            last = at;
          }
          onToken(token);
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
