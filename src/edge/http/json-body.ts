// Middleware that reads the body, and lets hono/client know its type.

import type { MiddlewareHandler } from "hono";
import type { z } from "zod";
import type { AppDeps, AppEnv } from "./app-env.ts";
import { readJson } from "./read-json.ts";

/** Handlers find the checked body under `c.req.valid("json")`. Throws what readJson throws. */
export function jsonBody<S extends z.ZodType>(
  schema: S,
  { settings }: Pick<AppDeps, "settings">,
): MiddlewareHandler<AppEnv, string, { in: { json: z.input<S> }; out: { json: z.output<S> } }> {
  return async (c, next) => {
    const body = await readJson(c, schema, settings.MAX_BODY_BYTES);
    c.req.addValidatedData("json", Object(body));
    await next();
  };
}
