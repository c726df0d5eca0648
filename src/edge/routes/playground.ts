// GET /: the playground, to a browser; its files lie beside the models as static assets. It may start threads of its own (COOP, COEP) and
// speaks to this server alone.

import type { Context } from "hono";
import type { AppDeps, AppEnv } from "../http/app-env.ts";
import { HttpError } from "../http/errors.ts";

const TYPES: Readonly<Record<string, string>> = {
  html: "text/html; charset=utf-8",
  css: "text/css; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  mjs: "text/javascript; charset=utf-8",
  svg: "image/svg+xml",
  gz: "application/gzip",
};
const POLICY =
  "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const HEADERS = {
  "content-security-policy": POLICY,
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
};
/** Vite puts a hash of its content into a file's name. */
const HASHED = /-[\w-]{8}\.\w+$/;

/** The page, to whoever asks for HTML; `POST /` alone is known to others. */
export async function servePlayground({ pages }: Pick<AppDeps, "pages">, c: Context<AppEnv>): Promise<Response> {
  const asksForHtml = (c.req.header("accept") ?? "").includes("text/html");
  const body = asksForHtml ? await pages?.stream("playground/index.html") : undefined;
  if (body !== undefined) return answer(body, "index.html", "no-cache");
  throw new HttpError(405, "method_not_allowed", "GET is not allowed here, use POST.", { allow: "POST" });
}

/** A file that the page loads. Throws HttpError 404 when it is not there. */
export async function servePlaygroundFile({ pages }: Pick<AppDeps, "pages">, file: string): Promise<Response> {
  const known = /^[\w-]+(\.[\w-]+)+$/.test(file) && typeOf(file) !== undefined;
  const body = known ? await pages?.stream(`playground/${file}`) : undefined;
  if (body !== undefined)
    return answer(body, file, HASHED.test(file) ? "public, max-age=31536000, immutable" : "max-age=3600");
  throw new HttpError(404, "not_found", "there is no such file of the playground.");
}

function answer(body: ReadableStream<Uint8Array>, file: string, caching: string): Response {
  const type = typeOf(file) ?? "application/octet-stream";
  return new Response(body, { headers: { ...HEADERS, "content-type": type, "cache-control": caching } });
}

function typeOf(file: string): string | undefined {
  return TYPES[file.slice(file.lastIndexOf(".") + 1)];
}
