// What the engine needs from an ONNX runtime, so that the same engine runs on onnxruntime-web in workerd and, in tests,
// on onnxruntime-node. Values are opaque: only the runtime that made one can read it.

/** A tensor of some runtime. What a session returns may lie in the runtime's own memory, until it is freed. */
export interface Value {
  readonly dims: readonly number[];
}

export interface Session {
  readonly outputNames: readonly string[];
  /**
   * Runs the graph and returns the outputs named in `fetches`, in that order. Those named in `into` are written there, whose dims they must
   * have; that may be the memory of an input, for graphs that allow it.
   */
  run(
    feeds: Readonly<Record<string, Value>>,
    fetches: readonly string[],
    into?: Readonly<Record<string, Value>>,
  ): Promise<Value[]>;
  release(): Promise<void>;
}

/** A file of external weights, under the name that the graph knows it by. */
export interface WeightFile {
  path: string;
  data: Uint8Array;
}

/** One row of a tensor `[B, H, length, K]`. */
export interface RowPart {
  value: Value;
  row: number;
}

export interface Runtime {
  /**
   * Opens a session on the bytes of an .onnx file and of the weight files that it names, which the caller may free afterwards.
   * Throws ArtifactError when they are not a usable graph.
   */
  createSession(bytes: Uint8Array, where: string, weights?: readonly WeightFile[]): Promise<Session>;
  /** An int64 tensor, row-major. */
  int64(values: readonly number[], dims: readonly number[]): Value;
  /** A float32 tensor, row-major. */
  float32(values: Float32Array, dims: readonly number[]): Value;
  /**
   * A tensor `[parts.length, heads, length, width]` that stays in the runtime's memory until it is freed: copies of rows of others, cut or
   * followed by zeros; an absent part is zeros.
   */
  joinRows(parts: readonly (RowPart | undefined)[], shape: { heads: number; length: number; width: number }): Value;
  /** The first rows of what `joinRows` made, on the same memory, which must outlive them. */
  firstRows(value: Value, rows: number): Value;
  /** Copies a row `[H, length, K]` over another, cut to its length or followed by zeros; `to` is of what `joinRows` made. */
  copyRow(from: RowPart, to: RowPart): void;
  /** The elements of a float32 tensor. */
  readFloat32(value: Value): Float32Array;
  /** Gives back what values hold in the runtime's memory; they are not used afterwards. Others are left alone. */
  free(values: Iterable<Value>): void;
  /** Memory that the runtime holds outside the JavaScript heap; 0 where it does not know. */
  memoryBytes(): number;
  /** What models and requests may take together where it runs, less what it cannot know of. */
  readonly memoryLimitBytes: number;
}
