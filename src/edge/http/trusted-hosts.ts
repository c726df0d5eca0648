// A server of this machine alone that asks for no key trusts whoever reaches it, and any page in a browser here does: by requests that need
// no preflight, and, where a name of its own turns to point at this machine (DNS rebinding), with answers it can read. So such a server
// answers requests that name it as itself, from pages that are its own or that CORS_ORIGIN allows.

import { createMiddleware } from "hono/factory";
import type { Settings } from "../env.ts";
import type { AppEnv } from "./app-env.ts";
import { HttpError } from "./errors.ts";

/** Whether a name or address, as a URL writes it, means this machine alone. */
export function isLoopback(host: string): boolean {
  return /^(localhost|127(\.\d{1,3}){3}|\[?::1\]?)$/.test(host) || host.endsWith(".localhost");
}

/** Refuses other names of this server, and pages of elsewhere, with HttpError 403; for settings whose ALLOWED_HOSTS is not `*`. */
export function requireTrustedHost({ ALLOWED_HOSTS, CORS_ORIGIN }: Pick<Settings, "ALLOWED_HOSTS" | "CORS_ORIGIN">) {
  const [hosts, origins] = [listOf(ALLOWED_HOSTS), listOf(CORS_ORIGIN)];
  const isTrusted = (host: string | undefined): boolean =>
    host !== undefined && (isLoopback(host) || hosts.includes(host));
  return createMiddleware<AppEnv>(async (c, next) => {
    const host = c.req.header("host");
    // a proxy in between may have put its own name into the one or the other
    for (const name of [hostOf(c.req.url), ...(host === undefined ? [] : [hostOf(`http://${host}`)])]) {
      if (!isTrusted(name)) throw notTrusted(`this server is not called by this name here (Host)`);
    }
    const origin = c.req.header("origin");
    const isAllowed =
      origin === undefined || origins.includes("*") || origins.includes(origin) || isTrusted(hostOf(origin));
    if (!isAllowed) throw notTrusted("pages of another origin are not answered (Origin; CORS_ORIGIN allows them)");
    await next();
  });
}

function listOf(names: string): string[] {
  return names.split(",").map((name) => name.trim());
}

function hostOf(url: string): string | undefined {
  return URL.canParse(url) ? new URL(url).hostname : undefined;
}

function notTrusted(what: string): HttpError {
  const fix = "Name its host in ALLOWED_HOSTS, or set STEPWISE_API_KEY.";
  return new HttpError(403, "forbidden", `${what}. ${fix}`);
}
