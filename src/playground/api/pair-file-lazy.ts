// The parser of pair files, loaded when the first file comes: few visitors bring one.

import type { PairFile } from "./pair-file.ts";

/** As `readPairFile`. */
export async function readPairFile(text: string): Promise<PairFile> {
  const { readPairFile: read } = await import("./pair-file.ts");
  return read(text);
}
