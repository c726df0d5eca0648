// A Hub id with a revision pinned behind it: google/flan-t5-small@COMMIT.

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
