// Who asks: the name of the key in `Authorization: Bearer KEY`, or the caller's address where no keys are set. Keys are compared in
// constant time: all of them, by digest, so that neither their length nor their order leaks.

import type { Context } from "hono";
import { createMiddleware } from "hono/factory";
import type { ApiKey } from "./api-keys.ts";
import type { AppDeps, AppEnv } from "./app-env.ts";
import { HttpError } from "./errors.ts";
import { networkOf } from "./network.ts";
import { limitAddress } from "./rate-limit.ts";

/** Paths that answer without a key: nothing of the models is behind them. */
const OPEN = /^\/(health|docs(\/.*)?|playground\/[^/]+)$/;

/** Whether a request is answered to anyone, at any rate. */
function isOpen({ path, method }: { path: string; method: string }): boolean {
  return OPEN.test(path) || (path === "/" && method === "GET");
}

/**
 * Lets a request pass when no key is set, or when it carries one, and says whose it is. One without a valid key is counted by its address,
 * and answered 429 when that has asked too often.
 */
export function requireApiKey(deps: Pick<AppDeps, "settings" | "addressOf" | "rateLimiter">) {
  const { settings, addressOf = cloudflareAddress } = deps;
  return createMiddleware<AppEnv>(async (c, next) => {
    const address = networkOf(addressOf(c) ?? "anonymous");
    c.set("client", address);
    if (!isOpen(c.req)) {
      const name = settings.keys.length === 0 ? undefined : await keyName(settings.keys, c.req.header("authorization"));
      if (name === undefined) await limitAddress(deps, address);
      if (name === undefined && settings.keys.length > 0) {
        throw new HttpError(401, "unauthorized", "send the API key as `Authorization: Bearer KEY`.", {
          "www-authenticate": "Bearer",
        });
      }
      c.set("client", name ?? address);
    }
    await next();
  });
}

/** The name of the key that the header carries; all are compared, whichever it is. */
async function keyName(keys: readonly ApiKey[], header = ""): Promise<string | undefined> {
  const given = /^Bearer +(\S+) *$/i.exec(header)?.[1] ?? "";
  const digest = await digestOf(given);
  const same = await Promise.all(keys.map(async ({ key }) => sameBytes(digest, await digestOf(key))));
  return keys.find((_, index) => same[index])?.name;
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
