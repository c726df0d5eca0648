// The same judge in onnxruntime, whose native kernels npm brings: the graphs that sampling decodes with, asked for one token.

import { yesScore } from "../../../shared/prompts.ts";
import type { T5Config } from "../../../shared/t5-config.ts";
import { writeDecoderFiles } from "../../onnx/decode/decoder-files.ts";
import { type DecoderSessions, openDecoderSessions } from "../../onnx/decode/decoder-sessions.ts";
import { loadTokenizer } from "../../store/model-folder.ts";
import {
  type Completion,
  inBatches,
  JUDGE_DEFAULTS,
  judgeQuestions,
  type LLMRewardModelOptions,
  type ScoredCompletion,
} from "./judge-questions.ts";

/** A judge that answers later. */
export interface OnnxJudge {
  /** As LLMRewardModel.score. One request at a time keeps memory at one batch. */
  score(completions: readonly Completion[]): Promise<ScoredCompletion[]>;
  /** Frees the sessions and deletes their files; nothing may be scored any more. */
  dispose(): void;
}

/** Width of a model below which threads cost more than they bring: its products are too small to share. */
const WORTH_THREADS = 256;

/** Threads of a session of such a model, of so many that it may have. */
export function threadsFor({ dModel }: T5Config, threads: number): number {
  return dModel < WORTH_THREADS ? 1 : threads;
}

/** Opens the judge of a folder in Hugging Face layout. Throws ArtifactError for a folder that is no T5, or a graph that is refused. */
export async function openOnnxJudge(
  dir: string,
  threads: number,
  given: LLMRewardModelOptions = {},
): Promise<OnnxJudge> {
  const options = { ...JUDGE_DEFAULTS, ...given };
  const files = await writeDecoderFiles(dir);
  let sessions: DecoderSessions;
  try {
    sessions = await openDecoderSessions(files.dir, files.config, threadsFor(files.config, threads));
  } finally {
    await files.remove(); // sessions hold the weights themselves
  }
  const { config } = files;
  const tokenizer = await loadTokenizer(dir, config);
  return {
    async score(completions) {
      const { questions, scored } = judgeQuestions(completions, (text) => tokenizer.encode(text), options);
      const scoreOf = new Map<string, number>();
      const batches = inBatches(
        questions.map(({ ids }) => ids),
        options.maxBatchTokens,
      );
      let first = 0;
      for (const prompts of batches) {
        const own = prompts.map((_, row) => row);
        const rows = await sessions.start(prompts, own, 1);
        const logits = await rows.step(own.map(() => [config.decoderStartTokenId])); // [B, V]
        const width = logits.length / prompts.length;
        for (const row of own) {
          const logit = (id: number): number => logits[row * width + id] ?? Number.NaN;
          const text = questions[first + row]?.text ?? "";
          scoreOf.set(text, yesScore(logit(tokenizer.yesTokenId), logit(tokenizer.noTokenId)));
        }
        first += prompts.length;
      }
      return scored(scoreOf);
    },
    dispose: () => void sessions.release(),
  };
}
