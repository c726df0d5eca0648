// The first run of a graph is slow: V8 compiles a WebAssembly function plainly at first, and again, optimized, once it has run for a while,
// in the background and in turn. Opening a graph runs thousands of functions, so the products of matrices, where the encoder's time goes,
// would wait behind them until the encoder is done. A run of the head, before the large graphs are opened, puts them in front.
// https://v8.dev/docs/wasm-compilation-pipeline

import { LEAN, LOGITS } from "../../shared/onnx-names.ts";
import type { T5Config } from "../../shared/t5-config.ts";
import type { Runtime, Session } from "./runtime.ts";

/** Positions that are run: enough for V8 to find the functions hot. */
const ROWS = 8;

/** Runs the head on zeros; the logits are dropped. */
export async function warmUp(head: Session, runtime: Runtime, config: T5Config): Promise<void> {
  const { dModel } = config;
  const hidden = runtime.float32(new Float32Array(ROWS * dModel), [1, ROWS, dModel]);
  runtime.free(await head.run({ [LEAN.hiddenStates]: hidden }, [LOGITS]));
}
