// A further process of a DPO run: log-probs of completions under the frozen start, which it loads itself.

import { answerRequests } from "../../io/child-process.ts";
import { loadModel, type Model } from "../../store/model-folder.ts";
import { startTensorflow } from "../../tensorflow/tensorflow.ts";
import { batchLogps, type Logps, type ReferenceRequest } from "./reference-batches.ts";

let opened: Promise<Model> | undefined;

answerRequests<ReferenceRequest, Logps>(async (request) => {
  if ("open" in request) {
    const { dir, backend, precision } = request.open;
    opened = startTensorflow(backend, precision).then(() => loadModel(dir));
    await opened;
    return [];
  }
  if (opened === undefined) throw new Error("completions came before the model");
  return batchLogps(await opened, request.batch, request.byToken);
});
