// Writes a safetensors file tensor by tensor: shapes first (they make the header), values when their turn comes.

import { open, rename, rm } from "node:fs/promises";
import { ShapeError } from "../../../shared/errors.ts";
import { writeBytes } from "../write-bytes.ts";
import { float32ToFloat16 } from "./float-bits.ts";

/** How values are kept in the file. */
export const WEIGHT_TYPES = ["float32", "float16"] as const;
export type WeightType = (typeof WEIGHT_TYPES)[number];

const DTYPES = { float32: "F32", float16: "F16" } as const;
const WIDTHS = { float32: 4, float16: 2 } as const;

/** A float32 tensor to write; a function as `data` is called (and awaited) only when its bytes are due. */
export interface TensorToWrite {
  name: string;
  shape: readonly number[];
  data: Float32Array | (() => Float32Array | Promise<Float32Array>);
}

/**
 * Writes tensors in the given order, as float32 or rounded to float16, under a temporary name, then renames; on failure nothing is left
 * at `path`. `metadata` are strings for the header; transformers expects `format: "pt"`, the default.
 * Throws ShapeError for a repeated name or values that do not fill their shape, CapacityError when the disk is full.
 */
export async function writeSafetensors(
  path: string,
  tensors: Iterable<TensorToWrite>,
  metadata: Readonly<Record<string, string>> = { format: "pt" },
  type: WeightType = "float32",
): Promise<void> {
  const list = [...tensors];
  const header = encodeHeader(list, metadata, { path, type });
  const temporary = `${path}.${process.pid}.tmp`;
  const file = await open(temporary, "w");
  try {
    try {
      await writeBytes(file, header, path);
      for (const tensor of list) await writeBytes(file, await tensorBytes(tensor, { path, type }), path);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

const elements = (shape: readonly number[]): number => shape.reduce((product, dim) => product * dim, 1);

function encodeHeader(
  tensors: readonly TensorToWrite[],
  metadata: Readonly<Record<string, string>>,
  { path, type }: { path: string; type: WeightType },
): Uint8Array {
  // a null prototype, so that no tensor name can collide with Object's own
  const header: Record<string, unknown> = Object.assign(Object.create(null), { __metadata__: metadata });
  let offset = 0;
  for (const { name, shape } of tensors) {
    if (name in header)
      throw new ShapeError({ code: "repeated_tensor", what: `tensor "${name}" is given twice`, where: path });
    const end = offset + WIDTHS[type] * elements(shape);
    header[name] = { dtype: DTYPES[type], shape, data_offsets: [offset, end] };
    offset = end;
  }
  const json = new TextEncoder().encode(JSON.stringify(header));
  // spaces to a multiple of 8, so that the data is aligned
  const padded = new Uint8Array(8 + Math.ceil(json.length / 8) * 8).fill(0x20);
  new DataView(padded.buffer).setBigUint64(0, BigInt(padded.length - 8), true);
  padded.set(json, 8);
  return padded;
}

async function tensorBytes(
  tensor: TensorToWrite,
  { path, type }: { path: string; type: WeightType },
): Promise<Uint8Array> {
  const data = typeof tensor.data === "function" ? await tensor.data() : tensor.data;
  if (data.length !== elements(tensor.shape)) {
    throw new ShapeError({
      code: "wrong_shape",
      what: `${data.length} values do not fill [${tensor.shape.join(", ")}]`,
      where: `${path}, tensor "${tensor.name}"`,
    });
  }
  const stored = type === "float16" ? float32ToFloat16(data) : data;
  return new Uint8Array(stored.buffer, stored.byteOffset, stored.byteLength);
}
