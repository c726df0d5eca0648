// npm run setup:tensorflow: gets the native TensorFlow for tfjs-node and says what it did; exit 1 when no way worked.

import { Command } from "commander";
import { defaultCacheDir } from "../src/train/tensorflow/setup/cached-binding.ts";
import { setupTensorFlow } from "../src/train/tensorflow/setup/setup-tensorflow.ts";
import { onInterrupt, reportFailure } from "./cli.ts";

const DONE = {
  present: "was there already; nothing to do",
  cache: "was put back from the cache",
  installer: "was installed by tfjs-node's own installer",
  pip: "was built against the TensorFlow of pip",
} as const;

const program = new Command("npm run setup:tensorflow --")
  .description("Get the native half of @tensorflow/tfjs-node (faster than onnxruntime on large models).")
  .option("--force", "build it again even when it works", false)
  .option("--cache <dir>", "where the libraries are kept, outside the repository", defaultCacheDir())
  .allowExcessArguments(false)
  .parse();
const { force, cache } = program.opts<{ force: boolean; cache: string }>();

const interrupt = new AbortController();
onInterrupt(() => interrupt.abort());
try {
  const result = await setupTensorFlow({
    force,
    cacheDir: cache,
    say: (line) => console.log(line),
    signal: interrupt.signal,
  });
  console.log(`native TensorFlow ${result.tensorflow} ${DONE[result.rung]}`);
} catch (error) {
  reportFailure(error);
}
