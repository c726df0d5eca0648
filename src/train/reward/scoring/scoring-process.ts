// A process that `startScoringProcesses` starts: loads the reward model it is told of, then answers in turn.

import { answerRequests } from "../../io/child-process.ts";
import { startTensorflow } from "../../tensorflow/tensorflow.ts";
import { loadScorer, type Scorer, type ScoringAnswer, type ScoringRequest } from "./scoring-processes.ts";

let scorer: Scorer | undefined;

answerRequests<ScoringRequest, ScoringAnswer>(async (request) => {
  if ("open" in request) {
    const { dir, options, backend, precision } = request.open;
    await startTensorflow(backend, precision);
    scorer = await loadScorer(dir, 1, options);
    return [];
  }
  if (scorer === undefined) throw new Error("completions came before the reward model");
  return scorer.score(request.completions);
});
