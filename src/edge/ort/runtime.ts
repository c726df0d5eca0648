// The engine's Runtime on onnxruntime-web, single-threaded: the library opens sessions, runs go to the runtime's own interface.

import { ArtifactError } from "../../shared/errors.ts";
import type { Runtime, Session, WeightFile } from "../engine/runtime.ts";
import { type StartedOrt, startOrt } from "./module.ts";
import { asOrtValue, closeNames, createOrtValues, type OrtValues, openNames } from "./values.ts";

/** An isolate has 128 MB; the rest is for what is not counted here. */
const LIMIT_BYTES = 120_000_000;

/** What is used of the library's InferenceSession. */
interface LibrarySession {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  release(): Promise<void>;
}

/** Opens a session through the library. */
export type OpenSession = (bytes: Uint8Array, weights: readonly WeightFile[]) => Promise<LibrarySession>;

/** `wasm` is the library's, compiled, with unshared memory. The runtime starts with the first session. */
export function createOrtRuntime(wasm: WebAssembly.Module, openSession: OpenSession): Runtime {
  let ort: (StartedOrt & { values: OrtValues }) | undefined;
  const started = (): StartedOrt & { values: OrtValues } => {
    if (ort !== undefined) return ort;
    throw new TypeError("no session was opened");
  };
  const open: OpenSession = async (bytes, weights) => {
    if (ort !== undefined) return openSession(bytes, weights);
    const first = await startOrt(wasm, () => openSession(bytes, weights));
    ort = { ...first.started, values: createOrtValues(first.started) };
    if (first.result.status === "rejected") throw first.result.reason;
    return first.result.value;
  };
  return {
    async createSession(bytes, where, weights = []): Promise<Session> {
      let session: LibrarySession;
      try {
        session = await open(bytes, weights);
      } catch (cause) {
        throw new ArtifactError({
          code: "bad_graph",
          what: "the ONNX graph could not be opened",
          where,
          fix: "Export the model again: npm run export -- --model DIR.",
          cause,
        });
      }
      const running = started();
      const { values } = running;
      const names = openNames(running, running.lastSession(), session);
      return {
        outputNames: session.outputNames,
        async run(feeds, fetches, into = {}) {
          const own = (of: typeof feeds) =>
            new Map(Object.entries(of).map(([name, value]) => [name, asOrtValue(value)]));
          return values.run(names, own(feeds), fetches, own(into));
        },
        async release() {
          await session.release();
          closeNames(running, names);
        },
      };
    },
    int64: (values, dims) => ({ data: BigInt64Array.from(values, BigInt), dims }),
    float32: (data, dims) => ({ data, dims }),
    joinRows(parts, shape) {
      const own = parts.map((part) => part && { value: asOrtValue(part.value), row: part.row });
      return started().values.joinRows(own, shape);
    },
    firstRows: (value, rows) => started().values.firstRows(asOrtValue(value), rows),
    copyRow(from, to) {
      const own = ({ value, row }: typeof from) => ({ value: asOrtValue(value), row });
      started().values.copyRow(own(from), own(to));
    },
    readFloat32: (value) => started().values.readFloat32(asOrtValue(value)),
    free(values) {
      for (const value of values) started().values.release(asOrtValue(value));
    },
    memoryLimitBytes: LIMIT_BYTES,
    memoryBytes: () => ort?.memory.buffer.byteLength ?? 0,
  };
}
