// The process reward model in onnxruntime, whose native kernels npm brings: encoder, decoder and answers as one graph.

import { join } from "node:path";
import * as ort from "onnxruntime-node";
import { aggregateScores } from "../../../shared/aggregate.ts";
import { ArtifactError } from "../../../shared/errors.ts";
import { yesScore } from "../../../shared/prompts.ts";
import { writeGraphFiles } from "../../onnx/decode/decoder-files.ts";
import { idsTensor, paddedPrompts } from "../../onnx/decode/rows.ts";
import { buildStepEndGraph, STEP_END_INPUTS, STEP_END_OUTPUT } from "../../onnx/t5/step-end-graph.ts";
import { loadConfig } from "../../store/model-config.ts";
import { loadTokenizer } from "../../store/model-folder.ts";
import type { Completion, ScoredCompletion } from "../judge/judge-questions.ts";
import { threadsFor } from "../judge/onnx-judge.ts";
import type { ProcessRewardModelOptions } from "./process-reward-model.ts";
import { type Solution, scoresOfCompletions, solutionBatches } from "./solution-batches.ts";

/** A process reward model that answers later. */
export interface OnnxProcessRewardModel {
  /** As ProcessRewardModel.score. One request at a time keeps memory at one batch. */
  score(completions: readonly Completion[]): Promise<ScoredCompletion[]>;
  /** Frees the session; nothing may be scored any more. */
  dispose(): void;
}

/** Tokens of a batch, padding included: as many as stay in the processor's cache, which is fewer than TensorFlow.js needs. */
const MAX_BATCH_TOKENS = 1024;

const FILE = "step-ends.onnx";

/**
 * Opens the process reward model of a folder in Hugging Face layout. Throws ArtifactError for a folder that is no T5 or a graph that is
 * refused, CapacityError for a model above 2 GiB.
 */
export async function openOnnxProcessRewardModel(
  dir: string,
  threads: number,
  { aggregation = "mean", maxBatchTokens = MAX_BATCH_TOKENS }: ProcessRewardModelOptions = {},
): Promise<OnnxProcessRewardModel> {
  const tokenizer = await loadTokenizer(dir, await loadConfig(dir));
  const answers = { yes: tokenizer.yesTokenId, no: tokenizer.noTokenId };
  const files = await writeGraphFiles(dir, { [FILE]: (t5, head) => buildStepEndGraph(t5, { head, ...answers }) });
  const { config } = files;
  let session: ort.InferenceSession;
  try {
    session = await open(join(files.dir, FILE), threadsFor(config, threads));
  } finally {
    await files.remove(); // the session holds the weights itself
  }
  return {
    async score(completions) {
      const scored: { batch: Solution[]; scores: number[][] }[] = [];
      for (const batch of solutionBatches(completions, { tokenizer, config, maxBatchTokens })) {
        const results = await session.run(feedsOf(batch, config.padTokenId));
        const logOdds = results[STEP_END_OUTPUT]?.data;
        if (!(logOdds instanceof Float32Array))
          throw new ArtifactError({ code: "bad_onnx", what: `the graph has no output "${STEP_END_OUTPUT}"` });
        let n = 0;
        const scores = batch.map(({ stepEnds }) => stepEnds.map(() => yesScore(logOdds[n++] ?? Number.NaN, 0)));
        scored.push({ batch, scores });
      }
      return scoresOfCompletions(completions, scored).map((stepScores) => ({
        stepScores,
        score: aggregateScores(stepScores, aggregation),
      }));
    },
    dispose: () => void session.release(),
  };
}

async function open(path: string, threads: number): Promise<ort.InferenceSession> {
  try {
    // lengths change with every batch: remembered allocation plans would only pile up
    return await ort.InferenceSession.create(path, {
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      enableMemPattern: false,
    });
  } catch (cause) {
    throw new ArtifactError({ code: "bad_onnx", what: "onnxruntime cannot load the graph", where: path, cause });
  }
}

/** A batch as the graph takes it: solutions of one question stand side by side and share its encoding. */
function feedsOf(batch: readonly Solution[], padTokenId: number): Record<string, ort.Tensor> {
  const questions: (readonly number[])[] = [];
  let last = "";
  const owners = batch.map(({ promptIds }) => {
    const question = promptIds.join(" ");
    if (question !== last || questions.length === 0) questions.push(promptIds);
    last = question;
    return questions.length - 1;
  });
  const length = Math.max(...batch.map(({ decoderIds }) => decoderIds.length));
  const padding = (count: number): number[] => Array.from({ length: count }, () => padTokenId);
  const rows = batch.map(({ decoderIds }) => [...decoderIds, ...padding(length - decoderIds.length)]);
  const ends = batch.flatMap(({ stepEnds }, row) => stepEnds.map((end) => row * length + end));
  const vector = (values: readonly number[]): ort.Tensor =>
    new ort.Tensor("int64", BigInt64Array.from(values, BigInt), [values.length]);
  const { ids, mask } = paddedPrompts(questions, padTokenId);
  return {
    [STEP_END_INPUTS.inputIds]: ids,
    [STEP_END_INPUTS.attentionMask]: mask,
    [STEP_END_INPUTS.owners]: vector(owners),
    [STEP_END_INPUTS.decoderIds]: idsTensor(rows),
    [STEP_END_INPUTS.stepEnds]: vector(ends),
  };
}
