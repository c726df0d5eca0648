// The optional API key: `Authorization: Bearer KEY`, compared in constant time (digests are compared, so the length does not leak either).

import { createMiddleware } from "hono/factory";
import type { AppDeps, AppEnv } from "./app-env.ts";
import { HttpError } from "./errors.ts";

/** Lets a request pass when no key is set, or when it carries the key; /health is always open. */
export function requireApiKey({ settings }: AppDeps) {
  return createMiddleware<AppEnv>(async (c, next) => {
    const expected = settings.STEPWISE_API_KEY;
    if (expected !== undefined && c.req.path !== "/health") {
      const given = /^Bearer +(\S+) *$/i.exec(c.req.header("authorization") ?? "")?.[1] ?? "";
      if (!(await sameText(given, expected))) {
        throw new HttpError(401, "unauthorized", "send the API key as `Authorization: Bearer KEY`.", {
          "www-authenticate": "Bearer",
        });
      }
    }
    await next();
  });
}

async function sameText(a: string, b: string): Promise<boolean> {
  const [left, right] = await Promise.all(
    [a, b].map(async (text) => new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)))),
  );
  if (left === undefined || right === undefined) return false;
  return left.reduce((difference, byte, index) => difference | (byte ^ (right[index] ?? 0)), 0) === 0;
}
