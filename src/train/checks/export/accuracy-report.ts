// How far the exported forms of a model are from its fp32 form on real pairs: logits along given completions, the tokens that greedy
// decoding would choose there, and step scores. onnxruntime runs the very files that were exported.

import type { Dtype } from "../../../shared/onnx-names.ts";
import { layoutSolution } from "../../../shared/process-reward.ts";
import { judgePrompt, policyPrompt, yesScore } from "../../../shared/prompts.ts";
import type { Pair } from "../../../shared/records.ts";
import { argmax } from "../../../shared/sampling.ts";
import { splitSteps } from "../../../shared/steps.ts";
import type { T5Config } from "../../../shared/t5-config.ts";
import type { TextTokenizer } from "../../../shared/tokenizer.ts";
import { decoderRows } from "../../model/batch.ts";
import { type FloatTensor, type OnnxT5, openOnnxT5 } from "../../onnx/decode/onnx-t5.ts";
import { cosine } from "../parity/check.ts";

/** Gaps of one form to fp32. */
export interface FormAccuracy {
  dtype: Dtype;
  /** Cosine of the logits at a position of a completion: mean and smallest over the positions. */
  logit_cosine_mean: number;
  logit_cosine_min: number;
  /** Share of positions at which both forms hold the same token for the likeliest, given the same text. */
  greedy_agreement: number;
  /** Absolute difference of a step score, which is in [0, 1]. */
  score_error_mean: number;
  score_error_max: number;
}

/** What export_report.json holds. */
export interface AccuracyReport {
  reference: "fp32";
  pairs: number;
  /** Target positions of the chosen and rejected completions. */
  positions: number;
  steps: number;
  forms: FormAccuracy[];
}

export interface AccuracyOptions {
  /** Folder with the exported graphs, fp32 among them. */
  exportDir: string;
  config: T5Config;
  tokenizer: TextTokenizer;
  pairs: readonly Pair[];
  /** Forms held against fp32. */
  dtypes: readonly Dtype[];
  /** The folder holds a trained process reward model; else steps are scored by the zero-shot judge. */
  process: boolean;
  onProgress?: ((done: number, total: number) => void) | undefined;
}

/** What one form says of one completion. */
interface Answers {
  /** Logits of each target position, [V]. */
  logits: Float32Array[];
  stepScores: number[];
}

/** Runs both sides of every pair through every form. Throws ArtifactError when a graph does not load. */
export async function reportAccuracy(options: AccuracyOptions): Promise<AccuracyReport> {
  const { exportDir, config, pairs, dtypes, onProgress } = options;
  const models = new Map<Dtype, OnnxT5>();
  try {
    for (const dtype of new Set<Dtype>(["fp32", ...dtypes])) {
      models.set(dtype, await openOnnxT5(exportDir, dtype, config.padTokenId));
    }
    const tallies = new Map(
      dtypes.map((dtype) => [dtype, { cosines: [] as number[], agreed: 0, errors: [] as number[] }]),
    );
    for (const [done, pair] of pairs.entries()) {
      for (const completion of [pair.chosen, pair.rejected]) {
        const exact = await answersOf(models.get("fp32"), options, pair.prompt, completion);
        for (const [dtype, tally] of tallies) {
          const rounded = await answersOf(models.get(dtype), options, pair.prompt, completion);
          exact.logits.forEach((logits, t) => {
            const other = rounded.logits[t] ?? new Float32Array();
            tally.cosines.push(cosine(other, logits));
            if (argmax(other) === argmax(logits)) tally.agreed++;
          });
          exact.stepScores.forEach((score, i) => {
            tally.errors.push(Math.abs(score - (rounded.stepScores[i] ?? Number.NaN)));
          });
        }
      }
      onProgress?.(done + 1, pairs.length);
    }
    const [first] = tallies.values();
    return {
      reference: "fp32",
      pairs: pairs.length,
      positions: first?.cosines.length ?? 0,
      steps: first?.errors.length ?? 0,
      forms: [...tallies].map(([dtype, { cosines, agreed, errors }]) => ({
        dtype,
        logit_cosine_mean: mean(cosines),
        logit_cosine_min: cosines.reduce((least, value) => Math.min(least, value), 1),
        greedy_agreement: agreed / cosines.length,
        score_error_mean: mean(errors),
        score_error_max: errors.reduce((most, value) => Math.max(most, value), 0),
      })),
    };
  } finally {
    for (const model of models.values()) await model.dispose();
  }
}

async function answersOf(
  model: OnnxT5 | undefined,
  options: AccuracyOptions,
  prompt: string,
  completion: string,
): Promise<Answers> {
  if (model === undefined) throw new Error("a form that was not opened");
  const { config, tokenizer, process } = options;
  const encoded = await model.encode([tokenizer.encode(policyPrompt(prompt))]);
  const { logits } = await model.decode(encoded, decoderRows([tokenizer.encode(completion)], config));
  const stepScores = process
    ? await processScores(model, options, prompt, completion)
    : await judgeScores(model, options, prompt, completion);
  return { logits: rowsOf(logits), stepScores };
}

/** A pass a step: "yes" or "no" at the first decoder position. */
async function judgeScores(
  model: OnnxT5,
  { config, tokenizer }: AccuracyOptions,
  prompt: string,
  completion: string,
): Promise<number[]> {
  const steps = splitSteps(completion);
  const scores: number[] = [];
  for (const index of steps.keys()) {
    const encoded = await model.encode([tokenizer.encode(judgePrompt(prompt, steps, index))]);
    const { logits } = await model.decode(encoded, [[config.decoderStartTokenId]]);
    scores.push(scoreAt(rowsOf(logits)[0], tokenizer));
  }
  return scores;
}

/** One pass: "yes" or "no" at the ends of the steps. */
async function processScores(
  model: OnnxT5,
  { config, tokenizer }: AccuracyOptions,
  prompt: string,
  completion: string,
): Promise<number[]> {
  const { promptIds, decoderIds, stepEnds } = layoutSolution(tokenizer, config, prompt, splitSteps(completion));
  const { logits } = await model.decode(await model.encode([promptIds]), [decoderIds]);
  const rows = rowsOf(logits);
  return stepEnds.map((end) => scoreAt(rows[end], tokenizer));
}

function scoreAt(logits: Float32Array | undefined, { yesTokenId, noTokenId }: TextTokenizer): number {
  return yesScore(logits?.[yesTokenId] ?? Number.NaN, logits?.[noTokenId] ?? Number.NaN);
}

/** [1, T, V] -> T rows. */
function rowsOf({ data, dims }: FloatTensor): Float32Array[] {
  const [, length = 0, vocab = 0] = dims;
  return Array.from({ length }, (_, t) => data.subarray(t * vocab, (t + 1) * vocab));
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** The report as an aligned table, one line a form. */
export function formatAccuracy({ pairs, positions, steps, forms }: AccuracyReport): string {
  const table = [
    ["form", "logit cosine", "smallest", "greedy agreement", "score error", "largest"],
    ...forms.map((form) => [
      form.dtype,
      form.logit_cosine_mean.toFixed(5),
      form.logit_cosine_min.toFixed(5),
      `${(100 * form.greedy_agreement).toFixed(1)} %`,
      form.score_error_mean.toFixed(5),
      form.score_error_max.toFixed(5),
    ]),
  ];
  const widths = table[0]?.map((_, column) => Math.max(...table.map((row) => row[column]?.length ?? 0))) ?? [];
  const lines = table.map((row) =>
    row
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join("  ")
      .trimEnd(),
  );
  return [`against fp32, ${pairs} pairs, ${positions} tokens, ${steps} steps:`, ...lines].join("\n");
}
