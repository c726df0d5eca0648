// The runtime's wasm for the worker: onnxruntime-web ships it with shared memory, for threads; workers have one thread and may
// refuse shared memory. One flag byte of the memory import tells them apart (3 = shared with maximum, 1 = maximum only). Its stack takes
// 5 MB of an isolate's 128 and is made smaller.
// https://webassembly.github.io/threads/core/binary/types.html#limits

import { mkdir, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname } from "node:path";
import writeFileAtomic from "write-file-atomic";
import { ArtifactError } from "../shared/errors.ts";

/** Less than 0.1 MB is used. */
const STACK_BYTES = 2 ** 20;
const I32_CONST = 0x41;
const GLOBAL_SET = 0x24;
const LEB_DIGITS = 4;
const SHARED_WITH_MAXIMUM = 3;
const MAXIMUM_ONLY = 1;
const IMPORT_SECTION = 2;
const KIND = { func: 0, table: 1, memory: 2, global: 3 };

/** Offset of the limits flag of the first imported memory, or undefined when none is imported. */
export function importedMemoryFlag(wasm: Uint8Array): number | undefined {
  let at = 8;
  const byte = (): number => wasm[at++] ?? 0;
  const leb128 = (): number => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const next = byte();
      value += (next & 0x7f) * 2 ** shift;
      if (next < 0x80) return value;
    }
  };
  const skipName = (): void => {
    const length = leb128();
    at += length;
  };
  const limits = (): void => {
    const flag = byte();
    leb128();
    if (flag & 1) leb128();
  };
  while (at < wasm.length) {
    const id = byte();
    const size = leb128();
    if (id !== IMPORT_SECTION) {
      at += size;
      continue;
    }
    for (let remaining = leb128(); remaining > 0; remaining--) {
      skipName();
      skipName();
      const kind = byte();
      if (kind === KIND.memory) return at;
      if (kind === KIND.func) leb128();
      else if (kind === KIND.global) at += 2;
      else if (kind === KIND.table) {
        byte();
        limits();
      } else return undefined;
    }
    return undefined;
  }
  return undefined;
}

/**
 * The same wasm with a stack of `bytes`. The linker lays out data, stack, heap, and names the stack's top thrice: where the stack pointer
 * starts, where the stack is described, and where the heap begins. Undefined when the module is not laid out so.
 */
export function withStack(wasm: Uint8Array, bytes: number): Uint8Array<ArrayBuffer> | undefined {
  const copy = Buffer.from(wasm);
  const described = findStack(copy);
  if (described === undefined) return undefined;
  const { top, bottom } = described;
  const smaller = bottom + bytes;
  const places = [
    ...placesOf(copy, Buffer.of(I32_CONST, ...leb128(top))).map((at) => ({ at: at + 1, value: leb128(smaller) })),
    ...placesOf(copy, littleEndian(top)).map((at) => ({ at, value: littleEndian(smaller) })),
  ];
  if (places.length !== 3 || smaller > top) return undefined;
  for (const { at, value } of places) value.copy(copy, at);
  return new Uint8Array(copy);
}

/** Top and bottom from the code that describes the stack: i32.const top, global.set, i32.const bottom, global.set. */
function findStack(wasm: Buffer): { top: number; bottom: number } | undefined {
  const constant = (at: number): number => {
    const digits = wasm.subarray(at + 1, at + 1 + LEB_DIGITS);
    const value = digits.reduce((sum, digit, i) => sum + (digit & 0x7f) * 2 ** (7 * i), 0);
    return wasm[at] === I32_CONST && leb128(value).equals(digits) ? value : 0;
  };
  const [first, second] = [1 + LEB_DIGITS, 1 + LEB_DIGITS + 2];
  for (let at = wasm.indexOf(I32_CONST); at >= 0; at = wasm.indexOf(I32_CONST, at + 1)) {
    if (wasm[at + first] !== GLOBAL_SET || wasm[at + second + first] !== GLOBAL_SET) continue;
    const [top, bottom] = [constant(at), constant(at + second)];
    if (bottom > 0 && top > bottom) return { top, bottom };
  }
  return undefined;
}

function placesOf(wasm: Buffer, part: Buffer): number[] {
  const places = [];
  for (let at = wasm.indexOf(part); at >= 0; at = wasm.indexOf(part, at + 1)) places.push(at);
  return places;
}

/** Four digits, as numbers from 2^20 to 2^27 have. */
function leb128(value: number): Buffer {
  return Buffer.from([0, 7, 14, 21].map((shift) => ((value >>> shift) & 0x7f) | (shift < 21 ? 0x80 : 0)));
}

function littleEndian(value: number): Buffer {
  return Buffer.from(Uint32Array.of(value).buffer);
}

/** Writes onnxruntime-web's wasm with unshared memory and a small stack to `outputPath`, unless it is there already. */
export async function prepareEdgeWasm(outputPath: string): Promise<void> {
  const source = createRequire(import.meta.url).resolve("onnxruntime-web/ort-wasm-simd-threaded.wasm");
  const [shipped, present] = await Promise.all([readFile(source), readFile(outputPath).catch(() => undefined)]);
  const flag = importedMemoryFlag(shipped);
  const wasm = withStack(shipped, STACK_BYTES);
  const known = flag !== undefined && (shipped[flag] === SHARED_WITH_MAXIMUM || shipped[flag] === MAXIMUM_ONLY);
  if (!known || wasm === undefined) {
    throw new ArtifactError({
      code: "bad_wasm",
      what: known ? "no stack between data and heap" : "no imported memory with a maximum",
      where: source,
      fix: "Install the versions of package-lock.json: npm ci.",
    });
  }
  wasm[flag] = MAXIMUM_ONLY;
  if (present?.equals(wasm) === true) return;
  await mkdir(dirname(outputPath), { recursive: true });
  await writeFileAtomic(outputPath, Buffer.from(wasm));
}
