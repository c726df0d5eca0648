// R2's promises in memory: an object is there whole or not at all, and one that is only written where there is none stays as it was.

import type { FileBucket, StoredHead, StoredObject } from "../../../src/edge/batch/platform.ts";

/** A bucket; `beforePut` may throw, as a bucket that does not answer. */
export function memoryBucket(
  beforePut: () => void | Promise<void> = () => undefined,
): FileBucket & { keys(): string[] } {
  const objects = new Map<string, StoredHead & { bytes: Uint8Array<ArrayBuffer> }>();
  const unused = (): never => {
    throw new Error("no parts here");
  };
  return {
    keys: () => [...objects.keys()],
    head: async (key) => objects.get(key) ?? null,
    async get(key, options): Promise<StoredObject | null> {
      const object = objects.get(key);
      if (object === undefined) return null;
      const { offset = 0, length = object.size } = options?.range ?? {};
      const bytes = object.bytes.slice(offset, offset + length);
      return {
        ...object,
        body: new Blob([bytes]).stream(),
        arrayBuffer: async () => bytes.buffer,
        text: async () => new TextDecoder().decode(bytes),
      };
    },
    async put(key, bytes, { customMetadata = {}, onlyIf } = {}) {
      await beforePut();
      if (onlyIf !== undefined && objects.has(key)) return null;
      const own = Uint8Array.from(typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes);
      objects.set(key, { bytes: own, size: own.length, customMetadata });
      return { size: own.length, customMetadata };
    },
    async delete(keys) {
      for (const key of [keys].flat()) objects.delete(key);
    },
    createMultipartUpload: async () => unused(),
    resumeMultipartUpload: unused,
  };
}
