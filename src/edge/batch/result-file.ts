// A batch's output or error file, put together from its chunks in the order of the input: streamed while the batch runs, one object when
// it has ended.

import type { Chunk, Ledger } from "./ledger-api.ts";
import { chunkKey } from "./names.ts";
import type { FileBucket } from "./platform.ts";

export type ResultKind = "output" | "error";

const PAGE = 500;

interface Piece {
  key: string;
  offset: number;
  length: number;
}

/** The pieces of chunks that make up a file, in order. */
export function piecesOf(batch: string, chunks: readonly Chunk[], kind: ResultKind): Piece[] {
  return chunks
    .map(({ first, outputBytes, errorBytes }) => ({
      key: chunkKey(batch, first),
      offset: kind === "output" ? 0 : outputBytes,
      length: kind === "output" ? outputBytes : errorBytes,
    }))
    .filter(({ length }) => length > 0);
}

/** All chunks that are done, in order. */
export async function allChunks(ledger: Ledger, batch: string): Promise<Chunk[]> {
  const chunks: Chunk[] = [];
  for (;;) {
    const page = await ledger.chunks(batch, chunks.at(-1)?.last ?? 0, PAGE);
    if (page.length === 0) return chunks;
    chunks.push(...page);
  }
}

/** What is done so far, as a stream. */
export function streamPieces(bucket: FileBucket, pieces: readonly Piece[]): ReadableStream<Uint8Array> {
  const rest = pieces[Symbol.iterator]();
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const next = rest.next();
      if (next.done === true) return controller.close();
      controller.enqueue(await readPiece(bucket, next.value));
    },
  });
}

export async function readPiece(bucket: FileBucket, { key, offset, length }: Piece): Promise<Uint8Array> {
  const object = await bucket.get(key, { range: { offset, length } });
  if (object === null) throw new Error("a finished chunk is not in the bucket");
  return new Uint8Array(await object.arrayBuffer());
}

/** The bytes `[from, to)` of the file that the pieces make up. */
export async function readRange(
  bucket: FileBucket,
  pieces: readonly Piece[],
  from: number,
  to: number,
): Promise<Uint8Array> {
  const bytes = new Uint8Array(to - from);
  let start = 0;
  for (const piece of pieces) {
    const end = start + piece.length;
    if (end > from && start < to) {
      const skip = Math.max(0, from - start);
      const length = Math.min(to, end) - start - skip;
      bytes.set(
        await readPiece(bucket, { key: piece.key, offset: piece.offset + skip, length }),
        Math.max(0, start - from),
      );
    }
    start = end;
  }
  return bytes;
}
