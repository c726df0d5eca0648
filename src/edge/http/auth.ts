// Who asks: the name of the key in `Authorization: Bearer KEY`, or the caller's address where no keys are set. Keys are compared in
// constant time: all of them, by digest, so that neither their length nor their order leaks.

import type { Context } from "hono";
import { createMiddleware } from "hono/factory";
import type { AppDeps, AppEnv } from "./app-env.ts";
import { HttpError } from "./errors.ts";

/** Paths that answer without a key: nothing of the models is behind them. */
const OPEN = /^\/(health|docs(\/.*)?|playground\/[^/]+)$/;

/** Whether a request is answered to anyone, at any rate. */
export function isOpen({ path, method }: { path: string; method: string }): boolean {
  return OPEN.test(path) || (path === "/" && method === "GET");
}

/** Lets a request pass when no key is set, or when it carries one, and says whose it is. */
export function requireApiKey({ settings, addressOf = cloudflareAddress }: Pick<AppDeps, "settings" | "addressOf">) {
  return createMiddleware<AppEnv>(async (c, next) => {
    c.set("client", addressOf(c) ?? "anonymous");
    if (settings.keys.length > 0 && !isOpen(c.req)) {
      const given = /^Bearer +(\S+) *$/i.exec(c.req.header("authorization") ?? "")?.[1] ?? "";
      const digest = await digestOf(given);
      const same = await Promise.all(settings.keys.map(async ({ key }) => sameBytes(digest, await digestOf(key))));
      const name = settings.keys.find((_, index) => same[index])?.name;
      if (name === undefined) {
        throw new HttpError(401, "unauthorized", "send the API key as `Authorization: Bearer KEY`.", {
          "www-authenticate": "Bearer",
        });
      }
      c.set("client", name);
    }
    await next();
  });
}

/** The platform sets this header itself; elsewhere a caller could. */
function cloudflareAddress(c: Context): string | undefined {
  return c.req.header("cf-connecting-ip");
}

async function digestOf(text: string): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
}

function sameBytes(left: Uint8Array, right: Uint8Array): boolean {
  return left.reduce((difference, byte, index) => difference | (byte ^ (right[index] ?? 0)), 0) === 0;
}
