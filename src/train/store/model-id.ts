// How a model is named: a folder, or a Hub id with a revision pinned after it, google/flan-t5-small@COMMIT.

import { basename, resolve } from "node:path";

export interface PinnedId {
  id: string;
  /** Branch, tag or commit. */
  revision?: string;
}

/** `name@revision` in its parts. */
export function splitRevision(text: string): PinnedId {
  const at = text.lastIndexOf("@");
  return at <= 0 ? { id: text } : { id: text.slice(0, at), revision: text.slice(at + 1) };
}

/** The parts as one text. */
export function joinRevision({ id, revision }: { id: string; revision?: string | null | undefined }): string {
  return revision === null || revision === undefined || revision === "main" ? id : `${id}@${revision}`;
}

/** The name to show: a folder's own, or the Hub id, whose folder is named by a commit. */
export function modelName(idOrDir: string, dir: string): string {
  return idOrDir === dir ? basename(resolve(dir)) : idOrDir;
}
