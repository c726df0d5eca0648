// A client of the worker whose paths, bodies and answers have the types of the app itself. https://hono.dev/docs/guides/rpc

import { hc } from "hono/client";
import type { App } from "./app.ts";

/** A client of the worker at `url`; its functions answer as fetch does, and throw what fetch throws. */
export function createWorkerClient(
  url: string,
  options: { headers?: Record<string, string>; init?: RequestInit } = {},
) {
  return hc<App>(url, options);
}
