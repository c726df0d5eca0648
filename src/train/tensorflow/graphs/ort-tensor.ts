// Tensors of onnxruntime: memory with a shape. One that a run made lies in onnxruntime's memory; one over an array of JavaScript lies there.

import { type Address, addresses, loadOrtLibrary, type OrtLibrary } from "./ort-library.ts";

/** A tensor that onnxruntime knows. Whoever has it releases it. */
export interface OrtTensor {
  readonly handle: Address;
  readonly dims: readonly number[];
}

/** Log severity: nothing short of a crash; errors come as exceptions. */
const FATAL = 4;

/** OrtArenaAllocator, OrtMemTypeDefault. */
const ARENA = 1;
const DEFAULT_MEMORY = 0;

/** ONNXTensorElementDataType. */
const FLOAT = 1;
const INT32 = 6;

interface Ort extends OrtLibrary {
  environment: Address;
  memory: Address;
}

let opened: Ort | undefined;

/** Results of calls that write one address or number. */
const result = addresses(1);

/** onnxruntime in this process: its library, and one pool of memory for all sessions. Throws where it has no binary for this machine. */
export function ort(): Ort {
  if (opened !== undefined) return opened;
  const library = loadOrtLibrary();
  const written = (write: () => void): Address => {
    write();
    return result[0] ?? 0n;
  };
  const environment = written(() => library.call.createEnv(FATAL, "stepwise-dpo", result));
  const memory = written(() => library.call.createCpuMemoryInfo(ARENA, DEFAULT_MEMORY, result));
  library.call.createAndRegisterAllocator(environment, memory, null);
  opened = { memory, environment, ...library };
  return opened;
}

/** Most dimensions of a tensor here. */
const MOST_DIMENSIONS = 8;

const shape = new BigInt64Array(new ArrayBuffer(8 * MOST_DIMENSIONS));

function tensorAt(at: Address, bytes: number, type: number, dims: readonly number[]): OrtTensor {
  const { call, memory } = ort();
  dims.forEach((size, i) => {
    shape[i] = BigInt(size);
  });
  call.createTensorWithData(memory, at, bytes, shape, dims.length, type, result);
  return { handle: result[0] ?? 0n, dims };
}

/** An array of JavaScript as a tensor: it is read, or written, where it stands, and must live as long. */
export function tensorOver(data: Float32Array | Int32Array, dims: readonly number[]): OrtTensor {
  return tensorAt(ort().addressOf(data), data.byteLength, data instanceof Int32Array ? INT32 : FLOAT, dims);
}

/** The values of a float32 tensor under another shape; valid as long as it. */
export function reshaped({ handle, dims }: OrtTensor, to: readonly number[]): OrtTensor {
  return tensorAt(addressOf(handle), 4 * sizeOf(dims), FLOAT, to);
}

/** `count` values of a float32 tensor from number `start` on, as a vector; valid as long as it. */
export function partOf({ handle }: OrtTensor, start: number, count: number): OrtTensor {
  return tensorAt(addressOf(handle) + BigInt(4 * start), 4 * count, FLOAT, [count]);
}

/** A copy of the values of a float32 tensor. */
export function valuesOf({ handle, dims }: OrtTensor): Float32Array {
  const bytes = 4 * sizeOf(dims);
  return bytes === 0 ? new Float32Array() : new Float32Array(ort().view(addressOf(handle), bytes)).slice();
}

export function release({ handle }: OrtTensor): void {
  ort().release.value(handle);
}

/** The tensor that a run made at `handle`. */
export function madeTensor(handle: Address): OrtTensor {
  const { call, release } = ort();
  call.getTensorTypeAndShape(handle, result);
  const info = result[0] ?? 0n;
  call.getDimensionsCount(info, result);
  const rank = Number(result[0]);
  call.getDimensions(info, shape, rank);
  release.typeAndShape(info);
  return { handle, dims: Array.from(shape.subarray(0, rank), Number) };
}

function addressOf(handle: Address): Address {
  ort().call.getTensorMutableData(handle, result);
  return result[0] ?? 0n;
}

const sizeOf = (dims: readonly number[]): number => dims.reduce((product, size) => product * size, 1);
