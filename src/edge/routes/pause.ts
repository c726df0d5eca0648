// Long work lets other requests in now and then, and stops when its caller has gone.

import type { Context } from "hono";
import { HttpError } from "../http/errors.ts";

/** A `pause` for the engine: yields to the event loop, throws once the request was aborted. */
export function pauseFor(c: Context): () => Promise<void> {
  return async () => {
    await new Promise((resolve) => setTimeout(resolve, 0));
    if (c.req.raw.signal?.aborted) throw new HttpError(503, "cancelled", "the caller has gone.");
  };
}
