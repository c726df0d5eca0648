// What the caller of a training says beside its settings.

export interface RunOptions {
  /** Continue from the newest checkpoint in the output folder. */
  resume?: boolean;
  /** Start anew where an unfinished run lies; otherwise that is refused. */
  overwrite?: boolean;
  /** Stops the run where it can be continued: CapacityError "interrupted" says how. */
  signal?: AbortSignal;
  /** Lines for the user. */
  log?: (line: string) => void;
  /** Also write ONNX files. Default true. */
  exportOnnx?: boolean;
}
