// The bytes of a data file: unpacked where they are gzip, without a byte order mark, and UTF-8 or refused by the name of what they are.

import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { createGunzip } from "node:zlib";
import { InputError } from "../../../shared/errors.ts";

const GZIP_MAGIC = [0x1f, 0x8b];
const PEEK_BYTES = 2 ** 16;

/** Text of JSON or CSV shrinks ten- to thirtyfold; a bomb a thousandfold. Small files may do as they like. */
const MAX_RATIO = 250;
const FREE_BYTES = 2 ** 28;

/** The first bytes of a file, unpacked or not. */
async function firstBytes(path: string): Promise<Buffer> {
  const file = await open(path);
  try {
    const buffer = Buffer.alloc(PEEK_BYTES);
    const { bytesRead } = await file.read(buffer, 0, PEEK_BYTES, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

/** Whether a file begins with these bytes. */
export async function startsWith(path: string, bytes: readonly number[]): Promise<boolean> {
  const head = await firstBytes(path);
  return bytes.every((byte, i) => head[i] === byte);
}

/** Chunks of a text file as UTF-8. Throws InputError for UTF-16, for a gzip file that is damaged, and for a gzip bomb. */
export async function* openBytes(path: string): AsyncGenerator<Buffer> {
  let first = true;
  for await (const chunk of (await startsWith(path, GZIP_MAGIC)) ? unpacked(path) : fileChunks(path)) {
    const text = first ? withoutMark(chunk, path) : chunk;
    first = false;
    if (text.length > 0) yield text;
  }
}

async function* fileChunks(path: string): AsyncGenerator<Buffer> {
  for await (const chunk of createReadStream(path, { highWaterMark: 2 ** 18 })) yield chunk as Buffer; // no encoding is set
}

async function* unpacked(path: string): AsyncGenerator<Buffer> {
  const source = createReadStream(path);
  const gunzip = createGunzip({ chunkSize: 2 ** 18 });
  source.on("error", (error) => gunzip.destroy(error));
  let bytes = 0;
  try {
    for await (const chunk of source.pipe(gunzip)) {
      bytes += chunk.length;
      if (bytes > FREE_BYTES && bytes > MAX_RATIO * source.bytesRead) {
        throw new InputError({
          code: "gzip_bomb",
          what: `${source.bytesRead} bytes unpack to more than ${bytes}: this is no data file`,
          where: path,
          fix: "Check where the file comes from; unpack it yourself if it is what you want.",
        });
      }
      yield chunk as Buffer; // no encoding is set
    }
  } catch (cause) {
    if (cause instanceof InputError) throw cause;
    throw new InputError({
      code: "broken_gzip",
      what: `the gzip file is damaged or cut off after ${bytes} bytes of text`,
      where: path,
      fix: "Copy or download it again.",
      cause,
    });
  } finally {
    source.destroy();
    gunzip.destroy();
  }
}

/** The chunk without UTF-8's byte order mark. Throws InputError for UTF-16, with a mark of its own or without one. */
function withoutMark(chunk: Buffer, path: string): Buffer {
  const refuse = (name: string): never => {
    throw new InputError({
      code: "wrong_encoding",
      what: `the file is ${name}, not UTF-8`,
      where: path,
      fix: `Convert it: iconv -f ${name.replaceAll(" ", "")} -t UTF-8 ${path}`,
    });
  };
  const [a, b, c] = chunk;
  if (a === 0xff && b === 0xfe) refuse("UTF-16LE");
  if (a === 0xfe && b === 0xff) refuse("UTF-16BE");
  // text begins with a character of one byte: every other byte is zero
  if (chunk.length >= 4 && b === 0 && chunk[3] === 0 && a !== 0) refuse("UTF-16LE");
  if (chunk.length >= 4 && a === 0 && c === 0 && b !== 0) refuse("UTF-16BE");
  return a === 0xef && b === 0xbb && c === 0xbf ? chunk.subarray(3) : chunk;
}
