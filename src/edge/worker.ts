// What workerd runs: bindings in, one app and one engine for the life of the isolate; and the classes that batches need, where they are
// bound.

import type { Env } from "./env.ts";
import { misconfigured } from "./http/errors.ts";
import { isolateOf } from "./isolate.ts";

export { BatchLedger } from "./batch/ledger.ts";
export { BatchJob, BatchShard } from "./batch/workflows.ts";

interface ExecutionContext {
  waitUntil(promise: Promise<unknown>): void;
  passThroughOnException(): void;
  props: unknown;
}

export default {
  async fetch(request: Request, env: Env, context: ExecutionContext): Promise<Response> {
    let app: ReturnType<typeof isolateOf>["app"];
    try {
      ({ app } = isolateOf(env));
    } catch (error) {
      return misconfigured(error);
    }
    const response = Promise.resolve(app.fetch(request, env, context));
    // A caller that goes away must not cut work off that others wait for: the loading of a model, a turn in the queue.
    context.waitUntil(response);
    return response;
  },
};
