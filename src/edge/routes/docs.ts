// GET /docs: the API's description as a page (Swagger UI), from files that lie beside the models.

import type { Context } from "hono";
import type { AppDeps, AppEnv } from "../http/app-env.ts";
import { HttpError } from "../http/errors.ts";

const TYPES: Readonly<Record<string, string>> = {
  html: "text/html; charset=utf-8",
  css: "text/css; charset=utf-8",
  js: "text/javascript; charset=utf-8",
};
/** The page runs its own script alone, and speaks to this server alone. */
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** Answers with a file of the page. Throws HttpError 404 when it is not there. */
export async function servePage(
  { pages }: Pick<AppDeps, "pages">,
  _c: Context<AppEnv>,
  file: string,
): Promise<Response> {
  const type = TYPES[file.slice(file.lastIndexOf(".") + 1)];
  const known = type !== undefined && /^[\w-]+(\.[\w-]+)+$/.test(file);
  const bytes = known ? await pages?.read(`docs/${file}`) : undefined;
  if (bytes === undefined || type === undefined) {
    throw new HttpError(404, "not_found", "there is no such page here. GET /openapi.json describes the API.");
  }
  return new Response(bytes, {
    headers: {
      "content-type": type,
      "content-security-policy": POLICY,
      "x-content-type-options": "nosniff",
      "cache-control": "max-age=3600",
    },
  });
}
