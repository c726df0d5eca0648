// What a speed was measured on: the processor, its vector instructions, and the kernels that computed.

import { readFileSync } from "node:fs";
import { arch, availableParallelism, cpus } from "node:os";
import type { BackendChoice, Precision } from "../../tensorflow/backends.ts";
import { type Backend, ONEDNN, startTensorflow } from "../../tensorflow/tensorflow.ts";

/** Vector instructions that kernels choose by, as Linux names them on x64 and arm64. */
const VECTOR_FEATURE = /^(avx2|avx512\w*|amx_\w+|avx_vnni|asimd|asimddp|sve2?|i8mm|bf16)$/;

/** The vector instructions that a text in the form of Linux's /proc/cpuinfo names, sorted; none where it names none. */
export function vectorFeatures(cpuinfo: string): string[] {
  const line = cpuinfo.match(/^(?:flags|Features)\s*:(.*)$/m)?.[1] ?? "";
  return line
    .split(/\s+/)
    .filter((name) => VECTOR_FEATURE.test(name))
    .sort();
}

/** Which kernels a backend that runs uses, from the setting that TensorFlow read when it was loaded. */
export function kernelsOf(backend: Backend, setting: string | undefined = process.env[ONEDNN]): string {
  if (backend === "wasm") return "XNNPACK in WebAssembly";
  if (backend === "onnxruntime") return "MLAS";
  return /^(1|true)$/i.test(setting ?? "") ? "oneDNN" : "Eigen";
}

/** Starts TensorFlow for a measurement, and says on stderr what it is taken on. */
export async function startMeasured(choice?: BackendChoice, precision?: Precision, threads?: number): Promise<Backend> {
  const backend = await startTensorflow(choice, precision, threads);
  console.error(describeProcessor(backend));
  return backend;
}

/** One line: processor, cores, vector instructions (Linux), kernels. */
export function describeProcessor(backend: Backend): string {
  return `processor: ${processorLine()}; kernels: ${kernelsOf(backend)}`;
}

/** Processor, cores, vector instructions (Linux). */
export function processorLine(): string {
  const model = cpus()[0]?.model.trim() || arch();
  const features = vectorFeatures(cpuinfo());
  const named = features.length > 0 ? features.join(" ") : "vector instructions unknown";
  return `${model}, ${availableParallelism()} cores, ${named}`;
}

/** Empty where the system has no such file. */
function cpuinfo(): string {
  try {
    return readFileSync("/proc/cpuinfo", "utf8");
  } catch {
    return "";
  }
}
