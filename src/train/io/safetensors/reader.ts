// Reads one safetensors file: the header at once, each tensor when it is asked for.

import { type FileHandle, open } from "node:fs/promises";
import { ArtifactError } from "../../../shared/errors.ts";
import { bfloat16ToFloat32, float16ToFloat32 } from "./float-bits.ts";
import { parseSafetensorsHeader, parseSafetensorsMetadata, type TensorInfo } from "./header.ts";

/** Named tensors on disk, from one file or several; close it when done. */
export interface TensorReader {
  readonly names: readonly string[];
  /** Strings of the header's `__metadata__`; of one file only. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** Type and shape. Throws ArtifactError for an unknown name. */
  info(name: string): TensorInfo;
  /** A fresh copy, row-major; F16 and BF16 are widened. Throws ArtifactError for other types or a read that fails. */
  readFloat32(name: string): Promise<Float32Array<ArrayBuffer>>;
  close(): Promise<void>;
}

const MAX_HEADER_BYTES = 100_000_000;
const MAX_READ_BYTES = 1 << 30;

/** Opens a safetensors file. Throws ArtifactError when it is missing, truncated or damaged. The caller closes it. */
export async function openSafetensors(path: string): Promise<TensorReader> {
  let file: FileHandle;
  try {
    file = await open(path, "r");
  } catch (cause) {
    throw new ArtifactError({
      code: "missing_file",
      what: "the weights cannot be opened",
      where: path,
      fix: "Give a folder in Hugging Face layout with model.safetensors.",
      cause,
    });
  }
  try {
    const { tensors, dataStart, metadata } = await readHeader(file, path);
    return { ...createReader(file, path, tensors, dataStart), metadata };
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function readHeader(
  file: FileHandle,
  path: string,
): Promise<{ tensors: Map<string, TensorInfo>; dataStart: number; metadata: Record<string, string> }> {
  const fileBytes = (await file.stat()).size;
  const bad = (what: string): ArtifactError =>
    new ArtifactError({
      code: "bad_safetensors",
      what,
      where: path,
      fix: "Copy or download the file again; Git LFS pointers must be pulled.",
    });
  if (fileBytes < 8) throw bad(`${fileBytes} bytes are too few for a safetensors file`);
  const headerBytes = Number((await readExactly(file, 0, 8, path)).getBigUint64(0, true));
  if (headerBytes > MAX_HEADER_BYTES || 8 + headerBytes > fileBytes) {
    throw bad(`not a safetensors file, or truncated: header of ${headerBytes} bytes in a file of ${fileBytes}`);
  }
  const header = new TextDecoder().decode(await readExactly(file, 8, headerBytes, path));
  const dataStart = 8 + headerBytes;
  const tensors = parseSafetensorsHeader(header, fileBytes - dataStart, path);
  return { tensors, dataStart, metadata: parseSafetensorsMetadata(header) };
}

function createReader(
  file: FileHandle,
  path: string,
  tensors: ReadonlyMap<string, TensorInfo>,
  dataStart: number,
): TensorReader {
  const info = (name: string): TensorInfo => {
    const found = tensors.get(name);
    if (found === undefined)
      throw new ArtifactError({ code: "missing_tensor", what: `no tensor "${name}"`, where: path });
    return found;
  };
  const readFloat32 = async (name: string): Promise<Float32Array<ArrayBuffer>> => {
    const { dtype, begin, end } = info(name);
    if (dtype !== "F32" && dtype !== "F16" && dtype !== "BF16") {
      throw new ArtifactError({
        code: "unsupported_dtype",
        what: `type ${dtype} is not supported`,
        where: `${path}, tensor "${name}"`,
        fix: "Save the weights as float32, float16 or bfloat16.",
      });
    }
    const bytes = await readExactly(file, dataStart + begin, end - begin, path);
    if (dtype === "F32") return new Float32Array(bytes.buffer);
    const bits = new Uint16Array(bytes.buffer);
    return dtype === "F16" ? float16ToFloat32(bits) : bfloat16ToFloat32(bits);
  };
  return { names: [...tensors.keys()], info, readFloat32, close: () => file.close() };
}

/** One read may return less than asked, and the system refuses reads of 2 GiB: both end in this loop. */
async function readExactly(
  file: FileHandle,
  position: number,
  length: number,
  path: string,
): Promise<DataView<ArrayBuffer>> {
  const bytes = new Uint8Array(length);
  let done = 0;
  while (done < length) {
    const { bytesRead } = await file.read(bytes, done, Math.min(length - done, MAX_READ_BYTES), position + done);
    if (bytesRead === 0) {
      throw new ArtifactError({ code: "bad_safetensors", what: "the file ended while it was read", where: path });
    }
    done += bytesRead;
  }
  return new DataView(bytes.buffer);
}
