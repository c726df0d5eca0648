// An ONNX model in onnxruntime-node, computed at once. The package's own session only answers later, for which TensorFlow.js's tape cannot
// wait; the binding underneath it (onnxruntime-node 1.30, lib/binding.ts) computes while it is called, and is declared private.

import { createRequire } from "node:module";
import { availableParallelism } from "node:os";

/** Values of a tensor and their shape; `int32` where the values are whole numbers. */
export interface Values {
  readonly data: Float32Array | Int32Array;
  readonly dims: readonly number[];
}

export interface OnnxSession {
  readonly inputNames: readonly string[];
  /**
   * Computes `outputs` by name and returns them in their order. Those that have an array are written into it too, whose shape must be that of
   * the result: the binding makes new arrays in either case, so that alone saves nothing.
   */
  run(feeds: ReadonlyMap<string, Values>, outputs: ReadonlyMap<string, Values | null>): Values[];
  close(): void;
}

interface NativeSession {
  readonly inputMetadata: readonly { name: string }[];
  loadModel(buffer: ArrayBufferLike, byteOffset: number, byteLength: number, options: object): void;
  run(feeds: object, fetches: object, options: object): Readonly<Record<string, Values>>;
  dispose(): void;
}

interface Binding {
  binding: { InferenceSession: new () => NativeSession };
  initOrt(): void;
}

function isBinding(value: unknown): value is Binding {
  return typeof value === "object" && value !== null && "binding" in value && "initOrt" in value;
}

type TensorClass = new (type: string, data: Values["data"], dims: readonly number[]) => Values;

let loaded: { binding: Binding; Tensor: TensorClass } | undefined;

function load(): { binding: Binding; Tensor: TensorClass } {
  if (loaded !== undefined) return loaded;
  const require = createRequire(import.meta.url);
  const binding: unknown = require("onnxruntime-node/dist/binding.js");
  if (!isBinding(binding)) throw new Error("onnxruntime-node's binding has changed its shape");
  const { Tensor }: { Tensor: TensorClass } = require("onnxruntime-common");
  binding.initOrt();
  loaded = { binding, Tensor };
  return loaded;
}

/** Whether onnxruntime-node has a binary for this machine. */
export function onnxruntimeIsInstalled(): boolean {
  try {
    load();
    return true;
  } catch {
    return false;
  }
}

/** Environment variable that bounds the threads of a session. */
export const THREADS_VARIABLE = "STEPWISE_THREADS";

/** Threads of a session: what the environment says, else one a core. */
export function onnxThreads(): number {
  const given = Number(process.env[THREADS_VARIABLE]);
  return Number.isInteger(given) && given > 0 ? given : availableParallelism();
}

/**
 * Shapes change with every batch, so no allocation plans are remembered. Threads that wait for the next node keep awake, but not beyond a
 * run: the threads of many sessions share the cores.
 */
const options = () => ({
  intraOpNumThreads: onnxThreads(),
  interOpNumThreads: 1,
  executionMode: "sequential",
  graphOptimizationLevel: "all",
  enableMemPattern: false,
  extra: { session: { intra_op: { allow_spinning: "1" }, force_spinning_stop: "1" } },
});

/** Opens a model. Throws onnxruntime's error for one that it refuses. */
export function openOnnxSession(model: Uint8Array): OnnxSession {
  const { binding, Tensor } = load();
  const session = new binding.binding.InferenceSession();
  session.loadModel(model.buffer, model.byteOffset, model.byteLength, options());
  const tensor = ({ data, dims }: Values): Values =>
    new Tensor(data instanceof Int32Array ? "int32" : "float32", data, dims);
  return {
    inputNames: session.inputMetadata.map(({ name }) => name),
    run(feeds, outputs) {
      const tensors = (values: ReadonlyMap<string, Values | null>) =>
        Object.fromEntries([...values].map(([name, one]) => [name, one === null ? null : tensor(one)]));
      const results = session.run(tensors(feeds), tensors(outputs), {});
      return [...outputs.keys()].map((name) => {
        const result = results[name];
        if (result === undefined) throw new Error(`onnxruntime gave no ${name}`);
        return result;
      });
    },
    close: () => session.dispose(),
  };
}
