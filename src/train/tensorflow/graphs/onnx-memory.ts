// Where the values of tensors lie on the onnxruntime backend. What onnxruntime made stays in its memory, for the next run to read, and is
// given back when TensorFlow.js disposes the tensor; JavaScript gets a copy where it asks for one. What JavaScript made lies in its arrays, and
// onnxruntime reads them there. The bookkeeping is that of TensorFlow.js's "cpu" backend, whose kernels read `values` of an entry.

import type { tf as TensorFlow } from "../tensorflow.ts";
import { type OrtTensor, release, reshaped, tensorOver, valuesOf } from "./ort-tensor.ts";

type TensorInfo = TensorFlow.TensorInfo;
type DataId = TensorInfo["dataId"];

/** What is used here of TensorFlow.js's "cpu" backend. */
export interface MemoryBackend {
  data: { get(dataId: DataId): object };
  readSync(dataId: DataId): unknown;
  makeTensorInfo(shape: number[], dtype: "float32", values: Float32Array): TensorInfo;
  /** Whether the entry is gone. */
  disposeData(dataId: DataId, force?: boolean): boolean;
}

export function isMemoryBackend(value: unknown): value is MemoryBackend {
  return (
    typeof value === "object" &&
    value !== null &&
    "data" in value &&
    "readSync" in value &&
    "makeTensorInfo" in value &&
    "disposeData" in value
  );
}

export interface OnnxMemory {
  /** A tensor of TensorFlow.js for onnxruntime to read; valid as long as it. */
  ortTensor(info: TensorInfo): OrtTensor;
  /** A result of onnxruntime as a tensor of TensorFlow.js, which has it from now on. */
  tensorInfo(made: OrtTensor): TensorInfo;
}

/** What onnxruntime knows of an entry: by shape, since tensors of several shapes may share it. */
interface Held {
  made: OrtTensor | undefined;
  byShape: Map<string, OrtTensor>;
  /** What onnxruntime reads of JavaScript's memory, kept from the garbage collector: the backend may have made it for this only. */
  values?: Float32Array | Int32Array;
}

const NO_VALUES = new Float32Array();

let current: OnnxMemory | undefined;

/** That of the backend that runs. Throws before it is started. */
export function onnxMemory(): OnnxMemory {
  if (current === undefined) throw new Error("the onnxruntime backend was not started");
  return current;
}

/** Lets the backend's tensors lie in onnxruntime's memory, from now on `onnxMemory`. */
export function startOnnxMemory(backend: MemoryBackend): void {
  const held = new WeakMap<DataId, Held>();
  const disposeData = backend.disposeData.bind(backend);
  backend.disposeData = (dataId, force) => {
    const gone = disposeData(dataId, force);
    if (gone) for (const tensor of held.get(dataId)?.byShape.values() ?? []) release(tensor);
    if (gone) held.delete(dataId);
    return gone;
  };
  current = {
    ortTensor({ dataId, shape }) {
      const own: Held = held.get(dataId) ?? { made: undefined, byShape: new Map() };
      held.set(dataId, own);
      const key = shape.join();
      const known = own.byShape.get(key);
      if (known !== undefined) return known;
      let tensor: OrtTensor;
      if (own.made === undefined) {
        own.values ??= numbers(backend.readSync(dataId));
        tensor = tensorOver(own.values, shape);
      } else tensor = reshaped(own.made, shape);
      own.byShape.set(key, tensor);
      return tensor;
    },
    tensorInfo(made) {
      const info = backend.makeTensorInfo([...made.dims], "float32", NO_VALUES);
      let values: Float32Array | undefined;
      Object.defineProperty(backend.data.get(info.dataId), "values", {
        get: () => {
          values ??= valuesOf(made);
          return values;
        },
      });
      held.set(info.dataId, { made, byShape: new Map([[made.dims.join(), made]]) });
      return info;
    },
  };
}

function numbers(values: unknown): Float32Array | Int32Array {
  if (values instanceof Float32Array || values instanceof Int32Array) return values;
  throw new TypeError("onnxruntime was given a tensor of neither float32 nor int32");
}
