// The runtime's wasm for the worker: onnxruntime-web ships it with shared memory, for threads; workers have one thread and may
// refuse shared memory. One flag byte of the memory import tells them apart (3 = shared with maximum, 1 = maximum only).
// https://webassembly.github.io/threads/core/binary/types.html#limits

import { mkdir, readFile, stat } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname } from "node:path";
import writeFileAtomic from "write-file-atomic";
import { ArtifactError } from "../shared/errors.ts";

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

/** Writes onnxruntime-web's wasm with unshared memory to `outputPath`, unless it is there already. */
export async function prepareEdgeWasm(outputPath: string): Promise<void> {
  const source = createRequire(import.meta.url).resolve("onnxruntime-web/ort-wasm-simd-threaded.wasm");
  const [input, output] = await Promise.all([stat(source), stat(outputPath).catch(() => undefined)]);
  if (output !== undefined && output.size === input.size && output.mtimeMs >= input.mtimeMs) return;
  const wasm = await readFile(source);
  const flag = importedMemoryFlag(wasm);
  if (flag === undefined || (wasm[flag] !== SHARED_WITH_MAXIMUM && wasm[flag] !== MAXIMUM_ONLY)) {
    throw new ArtifactError({
      code: "bad_wasm",
      what: "no imported memory with a maximum",
      where: source,
      fix: "Install the versions of package-lock.json: npm ci.",
    });
  }
  wasm[flag] = MAXIMUM_ONLY;
  await mkdir(dirname(outputPath), { recursive: true });
  await writeFileAtomic(outputPath, wasm);
}
