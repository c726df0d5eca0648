// The one door to TensorFlow.js: picks the backend once and hands out `tf`.
// `tensorflow` is tfjs-node's native library; `onnxruntime` (native too) and `wasm` come from npm alone. The trainer's code is the same on all.

import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import util from "node:util";
// The umbrella package, not tfjs-core: only it registers the gradients.
import * as tf from "@tensorflow/tfjs";
import { InputError } from "../../shared/errors.ts";
import { BACKENDS, type BackendChoice, type Precision } from "./backends.ts";
import { ONNX_BACKEND, registerOnnxBackend } from "./graphs/onnx-backend.ts";
import { onnxruntimeFault, onnxThreads, THREADS_VARIABLE } from "./graphs/onnx-session.ts";
import type { GraphRuntime } from "./graphs/run-graph.ts";
import { tensorflowRuntime } from "./graphs/tensorflow-runtime.ts";

export { tf };
export type Tensor = tf.Tensor;
export type Tensor1D = tf.Tensor1D;
export type Tensor2D = tf.Tensor2D;
export type Tensor3D = tf.Tensor3D;
export type Tensor4D = tf.Tensor4D;

export type Backend = Exclude<BackendChoice, "auto">;

/** Attribute of a TensorFlow operation, as tfjs-node's binding takes it. */
export interface OpAttribute {
  name: string;
  type: number;
  value: unknown;
}

/** Direct access to TensorFlow's operations beyond those that TensorFlow.js wraps (native backend only). */
export interface NativeOps {
  run(op: string, attributes: OpAttribute[], inputs: tf.Tensor[], outputs: number): tf.Tensor[];
  /** Opens the graph of a SavedModel folder and returns its number. */
  loadGraph(dir: string, tag: string): number;
  /** Runs such a graph; inputs and outputs are named "node:output". */
  runGraph(graph: number, inputs: tf.Tensor[], inputNames: string[], outputNames: string[]): tf.Tensor[];
  /** Frees a graph and its variables. */
  closeGraph(graph: number): void;
  readonly types: {
    readonly float: number;
    readonly int32: number;
    readonly attrType: number;
    readonly attrBool: number;
    readonly attrString: number;
    readonly attrShape: number;
  };
}

/** Whether TensorFlow takes oneDNN's kernels; read once, with the library. A user's own setting wins. */
export const ONEDNN = "TF_ENABLE_ONEDNN_OPTS";

let chosen: Backend | undefined;
let chosenPrecision: Precision = "float32";
let native: NativeOps | undefined;
let graphs: GraphRuntime | undefined;

const require = createRequire(import.meta.url);

function bindingPath(): string {
  return join(dirname(require.resolve("@tensorflow/tfjs-node/package.json")), "lib", "napi-v8", "tfjs_binding.node");
}

/** Whether tfjs-node's native half is installed. */
export function nativeIsInstalled(): boolean {
  return existsSync(bindingPath());
}

/** tfjs-node 4.22 calls three functions of node:util that Node 23 removed. */
function restoreRemovedUtil(): void {
  const removed: Record<string, (value: unknown) => boolean> = {
    isNullOrUndefined: (value) => value === null || value === undefined,
    isArray: Array.isArray,
    isString: (value) => typeof value === "string",
  };
  for (const [name, test] of Object.entries(removed)) {
    if (!(name in util)) Object.defineProperty(util, name, { value: test, configurable: true });
  }
}

interface NodeBackend {
  binding: Record<string, number>;
  executeMultipleOutputs(op: string, attributes: OpAttribute[], inputs: tf.TensorInfo[], outputs: number): tf.Tensor[];
  loadSavedModelMetaGraph(dir: string, tags: string): number;
  deleteSavedModel(graph: number): void;
  runSavedModel(graph: number, inputs: tf.Tensor[], inputInfos: { name: string }[], outputs: string[]): tf.Tensor[];
}

function isNodeBackend(value: unknown): value is NodeBackend {
  return (
    typeof value === "object" &&
    value !== null &&
    "executeMultipleOutputs" in value &&
    "runSavedModel" in value &&
    "binding" in value
  );
}

async function startNative(precision: Precision): Promise<void> {
  process.env.TF_CPP_MIN_LOG_LEVEL ??= "2";
  process.env[ONEDNN] ??= "1"; // unasked, TensorFlow takes them only where it finds AVX-512 VNNI or better
  if (precision === "bf16") process.env.TF_SET_ONEDNN_FPMATH_MODE = "BF16"; // read once, with the library
  restoreRemovedUtil();
  await import("@tensorflow/tfjs-node");
  await tf.setBackend("tensorflow");
  const backend: unknown = tf.backend();
  if (!isNodeBackend(backend)) throw new Error("tfjs-node's backend has changed its shape");
  const { binding } = backend;
  const constant = (name: string): number => {
    const value = binding[name];
    if (value === undefined) throw new Error(`tfjs-node's binding has no ${name}`);
    return value;
  };
  native = {
    run: (op, attributes, inputs, outputs) => backend.executeMultipleOutputs(op, attributes, inputs, outputs),
    loadGraph: (dir, tag) => backend.loadSavedModelMetaGraph(dir, tag),
    closeGraph: (graph) => backend.deleteSavedModel(graph),
    runGraph: (graph, inputs, inputNames, outputNames) =>
      backend.runSavedModel(
        graph,
        inputs,
        inputNames.map((name) => ({ name })),
        outputNames,
      ),
    types: {
      float: constant("TF_FLOAT"),
      int32: constant("TF_INT32"),
      attrType: constant("TF_ATTR_TYPE"),
      attrBool: constant("TF_ATTR_BOOL"),
      attrString: constant("TF_ATTR_STRING"),
      attrShape: constant("TF_ATTR_SHAPE"),
    },
  };
  graphs = tensorflowRuntime(native);
}

async function startOnnxruntime(): Promise<void> {
  graphs = registerOnnxBackend(tf);
  await tf.setBackend(ONNX_BACKEND);
}

async function startWasm(): Promise<void> {
  const wasm = await import("@tensorflow/tfjs-backend-wasm");
  wasm.setWasmPaths(join(dirname(require.resolve("@tensorflow/tfjs-backend-wasm/package.json")), "wasm-out", "/"));
  wasm.setThreadsCount(onnxThreads());
  await tf.setBackend("wasm");
}

/** Environment variable that says what `auto` takes. */
const BACKEND_VARIABLE = "STEPWISE_BACKEND";

/** What `auto` takes: what the environment says, else the fastest that is there. */
function automatic(): Backend {
  const given = process.env[BACKEND_VARIABLE] || "auto";
  const backend = BACKENDS.find((name) => name === given);
  if (backend === undefined) {
    throw new InputError({
      code: "unknown_backend",
      what: `there is no backend "${given}"`,
      where: `environment variable ${BACKEND_VARIABLE}`,
      fix: `Set it to one of ${BACKENDS.join(", ")}, or not at all.`,
    });
  }
  if (backend !== "auto") return backend;
  if (nativeIsInstalled()) return "tensorflow";
  missed = onnxruntimeFault();
  return missed === undefined ? "onnxruntime" : "wasm";
}

/** Why `auto` did not take onnxruntime. */
let missed: string | undefined;

const START: Readonly<Record<Backend, (precision: Precision) => Promise<void>>> = {
  tensorflow: startNative,
  onnxruntime: startOnnxruntime,
  wasm: startWasm,
};

/** Bounds the threads of a backend that is not started yet, and of processes that this one starts; a user's own settings win. */
function boundThreads(threads: number): void {
  for (const name of [THREADS_VARIABLE, "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"])
    process.env[name] ??= String(threads);
}

/**
 * Starts a backend, once a process: `auto` takes what the environment names (BACKEND_VARIABLE), else native TensorFlow where it is
 * installed, else onnxruntime, else WebAssembly. `precision`
 * bf16 lets native TensorFlow round the factors of matrix products to bfloat16; where nothing is said, the running one stays. `threads`
 * bounds those of a backend that does not run yet; default: one a core. Throws
 * InputError when a backend is asked for that is not installed, another backend or precision runs already, or one other than native
 * TensorFlow is asked for bf16.
 */
export async function startTensorflow(
  choice: BackendChoice = "auto",
  precision?: Precision,
  threads?: number,
): Promise<Backend> {
  const wanted = choice === "auto" ? (chosen ?? automatic()) : choice;
  if (chosen === wanted && (precision ?? chosenPrecision) === chosenPrecision) return chosen;
  if (chosen === wanted) {
    throw new InputError({
      code: "precision_running",
      what: `TensorFlow runs in ${chosenPrecision} already, ${precision} was asked for`,
      fix: "Use one precision a process.",
    });
  }
  if (chosen !== undefined) {
    throw new InputError({
      code: "backend_running",
      what: `backend "${chosen}" runs already, "${wanted}" was asked for`,
      fix: "Use one backend a process.",
    });
  }
  if (wanted === "tensorflow" && !nativeIsInstalled()) {
    throw new InputError({
      code: "no_native_tensorflow",
      what: "native TensorFlow is not installed",
      fix: "Run `npm run setup:tensorflow`, or use --backend onnxruntime.",
    });
  }
  const fault = wanted === "onnxruntime" ? onnxruntimeFault() : undefined;
  if (fault !== undefined) {
    throw new InputError({
      code: "no_onnxruntime",
      what: `onnxruntime does not run here (${process.platform}, ${process.arch}): ${fault}`,
      fix: "Run `npm ci` once more where a package is missing, or use --backend wasm.",
    });
  }
  if (wanted !== "tensorflow" && precision === "bf16") {
    throw new InputError({
      code: "no_bf16",
      what: `${NAMES[wanted]} computes in float32 only`,
      fix: "Run `npm run setup:tensorflow` for native TensorFlow, or leave --precision out.",
    });
  }
  if (threads !== undefined) boundThreads(threads);
  await START[wanted](precision ?? "float32");
  await tf.ready();
  chosen = wanted;
  chosenPrecision = precision ?? "float32";
  return wanted;
}

/** The running backend. Throws when none was started. */
export function currentBackend(): Backend {
  if (chosen === undefined) throw new Error("startTensorflow() was not called");
  return chosen;
}

/** The precision of matrix products that runs. */
export function currentPrecision(): Precision {
  return chosenPrecision;
}

/**
 * Which of TensorFlow's two products multiplies two matrices: `BatchMatMul`, which goes through oneDNN and is the only one that knows bf16,
 * or `MatMul`. The latter is as fast or faster (by up to 15 %) but where only its second operand is transposed: there it takes 1.1 to 1.5
 * times as long.
 */
export function isBatchProduct(transposeA: boolean, transposeB: boolean): boolean {
  return currentPrecision() === "bf16" || (transposeB && !transposeA);
}

/** TensorFlow's own operations, or undefined on the other backends. */
export function nativeOps(): NativeOps | undefined {
  return native;
}

/** What runs whole graphs, or undefined on WebAssembly. */
export function graphRuntime(): GraphRuntime | undefined {
  return graphs;
}

const NAMES: Readonly<Record<Backend, string>> = {
  tensorflow: "TensorFlow (native)",
  onnxruntime: "onnxruntime",
  wasm: "WebAssembly",
};

/** One line for a log: the backend, why it is not a faster one that npm gives, and how to get one. */
export function describeBackend(backend: Backend): string {
  const better =
    backend === "tensorflow" ? "" : " (`npm run setup:tensorflow` gets native TensorFlow, faster on large models)";
  const why = backend === "wasm" && missed !== undefined ? `; onnxruntime does not run here: ${missed}` : "";
  return `${NAMES[backend]}${better}${why}`;
}
