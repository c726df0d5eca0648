// An ONNX model in onnxruntime, computed at once: the package's own session only answers later, for which TensorFlow.js's tape cannot wait.

import { availableParallelism } from "node:os";
import { type Address, addresses } from "./ort-library.ts";
import { madeTensor, type OrtTensor, ort } from "./ort-tensor.ts";

export interface OnnxSession {
  /**
   * Computes the outputs from tensors for the inputs, both in the session's order. An output that is given a tensor is written there, whose
   * shape must be that of the result; for the others the caller releases what is returned.
   */
  run(inputs: readonly OrtTensor[], into?: readonly OrtTensor[]): OrtTensor[];
  close(): void;
}

/** Why onnxruntime does not run on this machine; undefined where it does. */
export function onnxruntimeFault(): string | undefined {
  try {
    ort();
    return undefined;
  } catch (error) {
    return String(error instanceof Error ? error.message : error).split("\n")[0];
  }
}

/** Environment variable that bounds the threads of a session. */
export const THREADS_VARIABLE = "STEPWISE_THREADS";

/** Threads of a session: what the environment says, else one a core. */
export function onnxThreads(): number {
  const given = Number(process.env[THREADS_VARIABLE]);
  return Number.isInteger(given) && given > 0 ? given : availableParallelism();
}

/** ORT_ENABLE_ALL. */
const ALL_OPTIMIZATIONS = 99;

/**
 * Threads sleep where they have nothing to do: one that spins takes the core away from the thread that it waits for, wherever others use the
 * machine too, and gains nothing where they do not.
 */
const ENTRIES = {
  "session.intra_op.allow_spinning": "0",
  "session.use_env_allocators": "1",
} as const;

const result = addresses(1);

/** Shapes change with every batch, so no allocation plans are remembered. */
function createOptions(): Address {
  const { call } = ort();
  call.createSessionOptions(result);
  const options = result[0] ?? 0n;
  call.disableMemPattern(options);
  call.setGraphOptimizationLevel(options, ALL_OPTIMIZATIONS);
  call.setIntraOpNumThreads(options, onnxThreads());
  for (const [key, value] of Object.entries(ENTRIES)) call.addSessionConfigEntry(options, key, value);
  return options;
}

/** The names of inputs or outputs as C has them: addresses of texts, which live as long as the list. */
function cNames(names: readonly string[]): { list: BigUint64Array; texts: Uint8Array } {
  const encoded = names.map((name) => new TextEncoder().encode(`${name}\0`));
  const texts = new Uint8Array(new ArrayBuffer(encoded.reduce((sum, { length }) => sum + length, 0)));
  const list = addresses(names.length);
  const start = ort().addressOf(texts);
  let at = 0;
  encoded.forEach((text, i) => {
    texts.set(text, at);
    list[i] = start + BigInt(at);
    at += text.length;
  });
  return { list, texts };
}

/** Opens a model whose inputs and outputs have these names. Throws onnxruntime's error for one that it refuses. */
export function openOnnxSession(
  model: Uint8Array,
  { inputs, outputs }: { inputs: readonly string[]; outputs: readonly string[] },
): OnnxSession {
  const { call, release, environment } = ort();
  const options = createOptions();
  call.createSessionFromArray(environment, model, model.byteLength, options, result);
  const session = result[0] ?? 0n;
  release.sessionOptions(options);
  const [inputNames, outputNames] = [cNames(inputs), cNames(outputs)];
  const [given, made] = [addresses(inputs.length), addresses(outputs.length)];
  return {
    run(tensors, into = []) {
      if (tensors.length !== given.length)
        throw new RangeError(`a graph of ${given.length} inputs was given ${tensors.length}`);
      tensors.forEach(({ handle }, i) => {
        given[i] = handle;
      });
      outputs.forEach((_, i) => {
        made[i] = into[i]?.handle ?? 0n;
      });
      call.run(session, null, inputNames.list, given, given.length, outputNames.list, made.length, made);
      return Array.from(made, (handle, i) => into[i] ?? madeTensor(handle));
    },
    close: () => release.session(session),
  };
}
