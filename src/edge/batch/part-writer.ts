// Bytes into one object of the bucket, in parts of one size, as they come; memory holds one part. A small object is written at once.

import type { FileBucket, MultipartUpload, UploadedPart } from "./platform.ts";

/** All parts but the last have this size. */
export const PART_BYTES = 8 * 2 ** 20;

export interface PartWriter {
  write(chunk: Uint8Array): Promise<void>;
  /** The bytes written. */
  end(): Promise<number>;
  /** Leaves nothing behind. */
  abort(): Promise<void>;
}

/**
 * `onOpen` is called before anything is written, so that somebody can take away what breaks off: with the upload's id, or with "" for an
 * object that is written at once.
 */
export function createPartWriter(
  bucket: FileBucket,
  key: string,
  onOpen: (uploadId: string) => Promise<void>,
): PartWriter {
  let buffer = new Uint8Array(Math.min(PART_BYTES, 2 ** 16));
  let filled = 0;
  let bytes = 0;
  let upload: MultipartUpload | undefined;
  let isPut = false;
  const parts: UploadedPart[] = [];
  const grow = (needed: number): void => {
    if (needed <= buffer.length) return;
    const larger = new Uint8Array(Math.min(PART_BYTES, Math.max(needed, buffer.length * 2)));
    larger.set(buffer.subarray(0, filled));
    buffer = larger;
  };
  const flush = async (): Promise<void> => {
    if (upload === undefined) {
      upload = await bucket.createMultipartUpload(key);
      await onOpen(upload.uploadId);
    }
    parts.push(await upload.uploadPart(parts.length + 1, buffer.subarray(0, filled)));
    filled = 0;
  };
  return {
    async write(chunk) {
      bytes += chunk.length;
      for (let at = 0; at < chunk.length; ) {
        if (filled === PART_BYTES) await flush();
        grow(Math.min(PART_BYTES, filled + chunk.length - at));
        const piece = chunk.subarray(at, at + buffer.length - filled);
        buffer.set(piece, filled);
        filled += piece.length;
        at += piece.length;
      }
    },
    async end() {
      if (upload === undefined) {
        await onOpen("");
        isPut = true;
        await bucket.put(key, buffer.subarray(0, filled));
        return bytes;
      }
      if (filled > 0) await flush();
      isPut = true;
      await upload.complete(parts);
      return bytes;
    },
    async abort() {
      // one that is whole has nothing to abort
      await upload?.abort().catch(() => undefined);
      if (isPut) await bucket.delete(key);
    },
  };
}
