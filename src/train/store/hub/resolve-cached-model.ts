// A model that is here already: a folder, or a Hub id in the cache. Serving never downloads.

import { existsSync } from "node:fs";
import { InputError } from "../../../shared/errors.ts";
import { type ResolveOptions, resolveModel } from "./resolve-model.ts";

/** Folder of the model. Throws InputError when it is neither a folder nor in the Hub cache. */
export async function resolveCachedModel(
  idOrDir: string,
  options: Pick<ResolveOptions, "cacheDir"> = {},
): Promise<string> {
  if (existsSync(idOrDir)) return resolveModel(idOrDir, { ...options, offline: true });
  try {
    return await resolveModel(idOrDir, { ...options, offline: true });
  } catch (cause) {
    if (!(cause instanceof InputError)) throw cause;
    throw new InputError({
      code: "no_such_model",
      what: "the model is neither a folder here nor in the Hub cache",
      where: idOrDir,
      fix: "Name the folders of the model and of the one that scores; --help shows the flags.",
      cause,
    });
  }
}
