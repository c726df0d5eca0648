// Untrusted safetensors header to typed entries: every byte of the data belongs to exactly one tensor, or the file is refused.

import { z } from "zod";
import { ArtifactError } from "../../../shared/errors.ts";

/** What the header says of one tensor; `begin` and `end` count from the first byte of data, half-open. */
export interface TensorInfo {
  dtype: string;
  shape: readonly number[];
  begin: number;
  end: number;
}

/** Bytes per element of the fixed-size types a file may hold. */
const DTYPE_BYTES: Record<string, number> = {
  F64: 8,
  F32: 4,
  F16: 2,
  BF16: 2,
  I64: 8,
  I32: 4,
  I16: 2,
  I8: 1,
  U64: 8,
  U32: 4,
  U16: 2,
  U8: 1,
  BOOL: 1,
  F8_E4M3: 1,
  F8_E5M2: 1,
};

const size = z.number().int().nonnegative();
const entrySchema = z.object({ dtype: z.string(), shape: z.array(size), data_offsets: z.tuple([size, size]) });

const damaged = (what: string, where: string): ArtifactError =>
  new ArtifactError({ code: "bad_safetensors", what, where, fix: "Copy or download the file again." });

/** Parses the JSON header of a file with `dataBytes` bytes of tensors. Throws ArtifactError naming the tensor that does not fit. */
export function parseSafetensorsHeader(text: string, dataBytes: number, where: string): Map<string, TensorInfo> {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw damaged("the header is not JSON", where);
  }
  if (typeof json !== "object" || json === null || Array.isArray(json))
    throw damaged("the header is not a JSON object", where);
  const tensors = new Map<string, TensorInfo>();
  for (const [name, entry] of Object.entries(json)) {
    if (name !== "__metadata__") tensors.set(name, parseEntry(name, entry, where));
  }
  checkTiling(tensors, dataBytes, where);
  return tensors;
}

const metadataSchema = z
  .object({ __metadata__: z.record(z.string(), z.string()).catch({}) })
  .catch({ __metadata__: {} });

/** The strings of `__metadata__` in a header that is JSON; none where it has none. */
export function parseSafetensorsMetadata(text: string): Record<string, string> {
  return metadataSchema.parse(JSON.parse(text)).__metadata__;
}

function parseEntry(name: string, entry: unknown, where: string): TensorInfo {
  const place = `${where}, tensor "${name}"`;
  const parsed = entrySchema.safeParse(entry);
  if (!parsed.success) throw damaged("the header entry needs dtype, shape and data_offsets", place);
  const { dtype, shape, data_offsets } = parsed.data;
  const [begin, end] = data_offsets;
  const elementBytes = DTYPE_BYTES[dtype];
  if (elementBytes === undefined) throw damaged(`dtype "${dtype}" is unknown`, place);
  const expected = shape.reduce((product, dim) => product * dim, elementBytes);
  if (end - begin !== expected) {
    throw damaged(`${dtype} [${shape.join(", ")}] needs ${expected} bytes, the header gives ${end - begin}`, place);
  }
  return { dtype, shape, begin, end };
}

function checkTiling(tensors: ReadonlyMap<string, TensorInfo>, dataBytes: number, where: string): void {
  let end = 0;
  for (const [name, info] of [...tensors].sort((a, b) => a[1].begin - b[1].begin || a[1].end - b[1].end)) {
    if (info.begin < end) throw damaged("its bytes overlap another tensor's", `${where}, tensor "${name}"`);
    if (info.begin > end)
      throw damaged(`${info.begin - end} bytes before it belong to no tensor`, `${where}, tensor "${name}"`);
    end = info.end;
  }
  if (end > dataBytes) throw damaged(`the file is truncated: ${dataBytes} of ${end} bytes of tensors`, where);
  if (end < dataBytes) throw damaged(`${dataBytes - end} bytes after the last tensor`, where);
}
