// One model folder against one golden file: every check, in the order of the road. TensorFlow must be started.

import { loadModel } from "../../store/model-folder.ts";
import { tf } from "../../tensorflow/tensorflow.ts";
import type { ParityCheck } from "./check.ts";
import { checkGoldenFits, loadGolden } from "./golden.ts";
import { checkOnnx } from "./onnx-checks.ts";
import { checkCurve, checkForward, checkGradients, checkGreedy } from "./tfjs-checks.ts";

export interface ParityOptions {
  /** Folder with config.json and model.safetensors; a tokenizer is not needed. */
  modelDir: string;
  goldenPath: string;
  /** Also export to ONNX and check that. Default true. */
  onnx?: boolean;
}

/** Throws InputError or ArtifactError for a golden file that is missing, damaged or of another model, and the errors of loading. */
export async function runParity({ modelDir, goldenPath, onnx = true }: ParityOptions): Promise<ParityCheck[]> {
  const golden = await loadGolden(goldenPath);
  const model = await loadModel(modelDir);
  try {
    checkGoldenFits(golden, model.config, modelDir);
    return [
      ...checkForward(model, golden),
      ...checkGradients(model, golden),
      ...checkCurve(model, golden),
      checkGreedy(model, golden),
      ...(onnx ? await checkOnnx(modelDir, model.config, golden) : []),
    ];
  } finally {
    tf.dispose(model.parameters);
  }
}
