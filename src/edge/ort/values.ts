// Tensors of the ONNX runtime that stay in its memory from one run to the next. The library's own run() copies every output to JavaScript
// and every input back: a prompt's keys and values, megabytes, at every token.

import type { Value } from "../engine/runtime.ts";
import { copyRow, copyRows, type RowShape } from "./copy-rows.ts";
import type { StartedOrt } from "./module.ts";

/** Numbers of ONNX's TensorProto.DataType. */
const ELEMENT = { float32: 1, int64: 7 } as const;
const CPU = 1;
const POINTER_BYTES = 4;

type Elements = Float32Array | BigInt64Array;

/** A tensor of the runtime; `address` is that of its elements where they were placed here, 0 where the runtime placed them. */
interface Held {
  tensor: number;
  address: number;
}

/** A tensor in JavaScript, or one in the runtime's memory, which `release` frees. */
export type OrtValue =
  | { readonly dims: readonly number[]; readonly data: Elements }
  | { readonly dims: readonly number[]; readonly held: Held };

export interface OrtValues {
  /**
   * Runs a session on `inputs`; outputs stay in the runtime's memory, those named in `into` in that of these tensors. Throws Error with the
   * runtime's message.
   */
  run(
    session: OrtSession,
    inputs: ReadonlyMap<string, OrtValue>,
    outputs: readonly string[],
    into?: ReadonlyMap<string, OrtValue>,
  ): OrtValue[];
  /** Rows of tensors `[B, H, length, K]` as one tensor in the runtime's memory (copy-rows.ts). */
  joinRows(parts: readonly ({ value: OrtValue; row: number } | undefined)[], shape: RowShape): OrtValue;
  /** The first rows of a tensor in the runtime's memory, on its memory. */
  firstRows(value: OrtValue, rows: number): OrtValue;
  /** Copies a row over another (copy-rows.ts). */
  copyRow(from: { value: OrtValue; row: number }, to: { value: OrtValue; row: number }): void;
  /** A copy of a float32 tensor's elements. */
  readFloat32(value: OrtValue): Float32Array;
  release(value: OrtValue): void;
}

/** A session and its names as C strings, by name. */
export interface OrtSession {
  handle: number;
  inputs: ReadonlyMap<string, number>;
  outputs: ReadonlyMap<string, number>;
}

/** Names of a session in the runtime's memory, for as long as the session lives. */
export function openNames(
  { module, memory }: StartedOrt,
  handle: number,
  session: { inputNames: readonly string[]; outputNames: readonly string[] },
): OrtSession {
  const encoder = new TextEncoder();
  const place = (name: string): [string, number] => {
    const bytes = encoder.encode(`${name}\0`);
    const address = allocate(module, bytes.length);
    new Uint8Array(memory.buffer).set(bytes, address);
    return [name, address];
  };
  return { handle, inputs: new Map(session.inputNames.map(place)), outputs: new Map(session.outputNames.map(place)) };
}

/** Frees what `openNames` placed. */
export function closeNames({ module }: StartedOrt, { inputs, outputs }: OrtSession): void {
  for (const address of [...inputs.values(), ...outputs.values()]) module._free(address);
}

/** Addresses are unsigned, JavaScript sees them signed. */
function allocate(module: StartedOrt["module"], bytes: number): number {
  const address = module._malloc(Math.max(bytes, 1)) >>> 0;
  if (address === 0) throw new RangeError(`no memory for ${bytes} bytes`);
  return address;
}

/** Runs and tensors of a started runtime. */
export function createOrtValues({ module, memory }: StartedOrt): OrtValues {
  // For a request that the platform cut off: its tensors are freed when the collector finds their values.
  const forgotten = new FinalizationRegistry<Held>(({ tensor, address }) => {
    module._OrtReleaseTensor(tensor);
    if (address !== 0) module._free(address);
  });
  const words = (address: number, count: number) => new Uint32Array(memory.buffer, address, count);

  const check = (failed: unknown): void => {
    if (failed === 0) return;
    const at = allocate(module, 2 * POINTER_BYTES);
    module._OrtGetLastError(at, at + POINTER_BYTES);
    const message = words(at, 2)[1] ?? 0;
    module._free(at);
    throw new Error(message === 0 ? "the runtime failed" : module.UTF8ToString(message));
  };

  const placeTensor = ({ dims, data }: { dims: readonly number[]; data: Elements }) => {
    const address = allocate(module, data.byteLength + POINTER_BYTES * dims.length);
    new Uint8Array(memory.buffer, address, data.byteLength).set(
      new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
    );
    const dimsAt = address + data.byteLength;
    words(dimsAt, dims.length).set(dims);
    const type = data instanceof Float32Array ? ELEMENT.float32 : ELEMENT.int64;
    const tensor = module._OrtCreateTensor(type, address, data.byteLength, dimsAt, dims.length, CPU);
    return { address, tensor };
  };

  /** Type, address of the elements, and dims of a tensor. */
  const look = (tensor: number): { type: number; address: number; dims: number[] } => {
    const at = allocate(module, 4 * POINTER_BYTES);
    try {
      check(module._OrtGetTensorData(tensor, at, at + 4, at + 8, at + 12));
      const [type = 0, address = 0, dimsAt = 0, rank = 0] = words(at, 4);
      const dims = Array.from(words(dimsAt, rank));
      module._OrtFree(dimsAt);
      return { type, address, dims };
    } finally {
      module._free(at);
    }
  };

  const keep = (tensor: number, address = 0): OrtValue => {
    const held = { tensor, address };
    forgotten.register(held, { tensor, address }, held);
    return { dims: look(tensor).dims, held };
  };
  /** A view of the elements, to be made when nothing is allocated before it is used: memory that grows leaves views behind. */
  const viewer = (value: OrtValue): (() => Float32Array) => {
    if (!("held" in value)) return () => floatsOf(value.data);
    const { type, address, dims } = look(value.held.tensor);
    if (type !== ELEMENT.float32) throw new TypeError("not a float32 tensor");
    const length = dims.reduce((product, dim) => product * dim, 1);
    return () => new Float32Array(memory.buffer, address, length);
  };

  return {
    run(session, inputs, outputs, into) {
      const names = (of: ReadonlyMap<string, number>, name: string): number => {
        const address = of.get(name);
        if (address === undefined) throw new RangeError(`the graph has no "${name}"`);
        return address;
      };
      const inputNames = [...inputs.keys()].map((name) => names(session.inputs, name));
      const outputNames = outputs.map((name) => names(session.outputs, name));
      const placed: ReturnType<typeof placeTensor>[] = [];
      const count = 2 * (inputNames.length + outputNames.length);
      const at = allocate(module, count * POINTER_BYTES);
      try {
        const tensors = [...inputs.values()].map((value) => {
          if ("held" in value) return value.held.tensor;
          const temporary = placeTensor(value);
          placed.push(temporary);
          return temporary.tensor;
        });
        const given = outputs.map((name) => into?.get(name));
        const places = given.map((value) => (value === undefined ? 0 : heldTensor(value)));
        words(at, count).set([...inputNames, ...tensors, ...outputNames, ...places]);
        const valuesAt = at + inputNames.length * POINTER_BYTES;
        const outputNamesAt = valuesAt + tensors.length * POINTER_BYTES;
        const outputsAt = outputNamesAt + outputs.length * POINTER_BYTES;
        const { handle } = session;
        check(module._OrtRun(handle, at, valuesAt, tensors.length, outputNamesAt, outputs.length, outputsAt, 0));
        return Array.from(words(outputsAt, outputs.length), (tensor, index) => given[index] ?? keep(tensor));
      } finally {
        for (const { address, tensor } of placed) {
          module._OrtReleaseTensor(tensor);
          module._free(address);
        }
        module._free(at);
      }
    },
    joinRows(parts, shape) {
      const dims = [parts.length, shape.heads, shape.length, shape.width];
      const count = dims.reduce((product, dim) => product * dim, 1);
      const bytes = count * Float32Array.BYTES_PER_ELEMENT;
      const address = allocate(module, bytes + POINTER_BYTES * dims.length);
      const places = parts.map((part) => part && { ...part, view: viewer(part.value) });
      const sources = places.map(
        (part) => part && { floats: part.view(), length: part.value.dims[2] ?? 0, row: part.row },
      );
      copyRows(new Float32Array(memory.buffer, address, count), sources, shape);
      words(address + bytes, dims.length).set(dims);
      return keep(module._OrtCreateTensor(ELEMENT.float32, address, bytes, address + bytes, dims.length, CPU), address);
    },
    firstRows(value, rows) {
      const tensor = heldTensor(value);
      const dims = [rows, ...value.dims.slice(1)];
      const { type, address } = look(tensor);
      const bytes = dims.reduce((product, dim) => product * dim, Float32Array.BYTES_PER_ELEMENT);
      const dimsAt = allocate(module, POINTER_BYTES * dims.length);
      words(dimsAt, dims.length).set(dims);
      const view = module._OrtCreateTensor(type, address, bytes, dimsAt, dims.length, CPU);
      module._free(dimsAt);
      return keep(view);
    },
    copyRow(from, to) {
      const [heads = 0, length = 0, width = 0] = to.value.dims.slice(1);
      const [source, target] = [viewer(from.value), viewer(to.value)];
      const size = heads * length * width;
      const row = target().subarray(to.row * size, (to.row + 1) * size);
      copyRow(row, { floats: source(), length: from.value.dims[2] ?? 0, row: from.row }, { heads, length, width });
    },
    readFloat32(value) {
      return "held" in value ? viewer(value)().slice() : floatsOf(value.data);
    },
    release(value) {
      if (!("held" in value) || value.held.tensor === 0) return;
      forgotten.unregister(value.held);
      module._OrtReleaseTensor(value.held.tensor);
      if (value.held.address !== 0) module._free(value.held.address);
      value.held.tensor = 0;
    },
  };
}

function heldTensor(value: OrtValue): number {
  if ("held" in value && value.held.tensor !== 0) return value.held.tensor;
  throw new TypeError("not a tensor in the runtime's memory");
}

function floatsOf(data: Elements): Float32Array {
  if (data instanceof Float32Array) return data;
  throw new TypeError("not a float32 tensor");
}

/** The runtime's own kind of value. Throws TypeError for another's. */
export function asOrtValue(value: Value): OrtValue {
  if (isOrtValue(value)) return value;
  throw new TypeError("a value of another runtime");
}

function isOrtValue(value: Value): value is OrtValue {
  return "data" in value || "held" in value;
}
