// The process reward model: one pass scores all steps of a solution. The question goes through the encoder, the whole solution
// through the decoder, and P(yes) / (P(yes) + P(no)) is read where each step ends (layout: src/shared/process-reward.ts).

import { type Aggregation, aggregateScores } from "../../../shared/aggregate.ts";
import { layoutSolution, type SolutionTokens } from "../../../shared/process-reward.ts";
import { yesScore } from "../../../shared/prompts.ts";
import { type FolderTokenizer, loadModel, loadTokenizer, type Model } from "../../store/model-folder.ts";
import { tf } from "../../tensorflow/tensorflow.ts";
import { completionSteps } from "../completion-steps.ts";
import type { Completion, ScoredCompletion } from "../judge/llm-reward-model.ts";
import { stepEndLogits } from "./step-end-logits.ts";

export interface ProcessRewardModelOptions {
  /** Default "mean". */
  aggregation?: Aggregation;
  /** Most tokens of questions and solutions, padding included, in one forward pass. Default 8192. */
  maxBatchTokens?: number;
}

const DEFAULTS: Required<ProcessRewardModelOptions> = {
  aggregation: "mean",
  maxBatchTokens: 8192,
};

/** A solution to be scored, and the places in the caller's list that it answers. */
interface Row extends SolutionTokens {
  owners: number[];
}

export class ProcessRewardModel {
  readonly options: Required<ProcessRewardModelOptions>;
  private readonly model: Model;
  private readonly tokenizer: FolderTokenizer;

  /** Takes over the model: `dispose` frees its tensors. */
  constructor(model: Model, tokenizer: FolderTokenizer, options: ProcessRewardModelOptions = {}) {
    this.model = model;
    this.tokenizer = tokenizer;
    this.options = { ...DEFAULTS, ...options };
  }

  /** Loads a process reward model from a folder in Hugging Face layout. */
  static async load(dir: string, options: ProcessRewardModelOptions = {}): Promise<ProcessRewardModel> {
    const model = await loadModel(dir);
    return new ProcessRewardModel(model, await loadTokenizer(dir, model.config), options);
  }

  /**
   * Scores every step of every completion, in [0, 1], and aggregates them. Throws InputError for a completion without steps.
   * Equal solutions are scored once; batches hold solutions of like length.
   */
  score(completions: readonly Completion[], onProgress?: (done: number, total: number) => void): ScoredCompletion[] {
    const rows = this.layOut(completions);
    const scores = new Array<number[]>(completions.length);
    for (let start = 0; start < rows.length; ) {
      const end = this.endOfBatch(rows, start);
      const batch = rows.slice(start, end);
      this.scoreBatch(batch).forEach((stepScores, i) => {
        for (const owner of batch[i]?.owners ?? []) scores[owner] = stepScores;
      });
      start = end;
      onProgress?.(start, rows.length);
    }
    return scores.map((stepScores) => ({
      stepScores: [...stepScores],
      score: aggregateScores(stepScores, this.options.aggregation),
    }));
  }

  /** Distinct solutions, those of one question side by side, sorted by the longest solution: there padding costs most. */
  private layOut(completions: readonly Completion[]): Row[] {
    const rows = new Map<string, Row>();
    completions.forEach(({ prompt, completion }, owner) => {
      const steps = completionSteps(completion, owner);
      const key = JSON.stringify([prompt, steps.map(({ text }) => text)]);
      const row = rows.get(key);
      if (row !== undefined) row.owners.push(owner);
      else rows.set(key, { ...layoutSolution(this.tokenizer, this.model.config, prompt, steps), owners: [owner] });
    });
    const longest = new Map<string, number>();
    const question = ({ promptIds }: Row): string => promptIds.join(" ");
    for (const row of rows.values())
      longest.set(question(row), Math.max(longest.get(question(row)) ?? 0, row.decoderIds.length));
    const keyed = [...rows.values()].map((row) => ({ row, question: question(row) }));
    keyed.sort(
      (a, b) =>
        (longest.get(a.question) ?? 0) - (longest.get(b.question) ?? 0) ||
        a.row.promptIds.length - b.row.promptIds.length ||
        (a.question < b.question ? -1 : a.question > b.question ? 1 : 0),
    );
    return keyed.map(({ row }) => row);
  }

  /** As many rows as fit: at least one. */
  private endOfBatch(rows: readonly Row[], start: number): number {
    let prompt = 0;
    let solution = 0;
    let end = start;
    for (; end < rows.length; end++) {
      prompt = Math.max(prompt, rows[end]?.promptIds.length ?? 0);
      solution = Math.max(solution, rows[end]?.decoderIds.length ?? 0);
      if (end > start && (end + 1 - start) * (prompt + solution) > this.options.maxBatchTokens) break;
    }
    return end;
  }

  private scoreBatch(batch: readonly Row[]): number[][] {
    const { parameters, config } = this.model;
    const answers = { yes: this.tokenizer.yesTokenId, no: this.tokenizer.noTokenId };
    const logits = tf.tidy(() => stepEndLogits(parameters, config, batch, answers).dataSync());
    let n = 0;
    return batch.map(({ stepEnds }) => stepEnds.map(() => yesScore(logits[n++] ?? Number.NaN, 0)));
  }

  dispose(): void {
    tf.dispose(this.model.parameters);
  }
}
