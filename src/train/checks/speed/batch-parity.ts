// One batch of a model of any size against PyTorch: log-probs of the completions, the published loss, its global gradient norm. Gaps are
// relative, since the log-probs of a large model with random weights are in the thousands.

import { readFile } from "node:fs/promises";
import { z } from "zod";
import { ArtifactError, InputError } from "../../../shared/errors.ts";
import { stepwiseDpoLoss } from "../../loss/stepwise.ts";
import { padRows } from "../../model/batch.ts";
import { completionLogps } from "../../model/logps.ts";
import { globalNorm, valueAndGradients } from "../../optim/gradients.ts";
import { loadModel, type Model } from "../../store/model-folder.ts";
import type { BackendChoice } from "../../tensorflow/backends.ts";
import { type Tensor1D, tf } from "../../tensorflow/tensorflow.ts";
import { relativeGap } from "../parity/check.ts";
import { checkFolder } from "./check-folder.ts";
import { startMeasured } from "./processor.ts";

/** Largest relative gap that passes. */
const BATCH_TOLERANCE = 1e-3;

const numbers = z.array(z.number()).min(1);
const rows = z.array(z.array(z.number().int().nonnegative()).min(1)).min(1);

/** Fields as in a golden file of `npm run parity`, which may hold more. */
const batchSchema = z
  .object({
    prompts: rows,
    chosen: rows,
    rejected: rows,
    score_margin: numbers,
    chosen_sequence_logps: numbers,
    rejected_sequence_logps: numbers,
    stepwise_loss: z.number(),
    grad_norm: z.number(),
  })
  .refine((batch) => Object.values(batch).every((x) => typeof x === "number" || x.length === batch.prompts.length), {
    message: "every field has one entry a prompt",
  });
type GoldenBatch = z.infer<typeof batchSchema>;

/** Relative gaps to PyTorch. */
export interface BatchParity {
  bench: "parity";
  backend: string;
  model: string;
  pairs: number;
  logps_gap: number;
  loss_gap: number;
  grad_norm_gap: number;
  tolerance: number;
  within: boolean;
}

/** Throws InputError for a golden file that is not there, ArtifactError for one without the fields or a folder that is no T5. */
export async function benchParity(options: {
  modelDir: string;
  goldenPath: string;
  backend?: BackendChoice | undefined;
}): Promise<BatchParity> {
  const { modelDir, goldenPath } = options;
  await checkFolder(modelDir);
  const golden = await readBatch(goldenPath);
  const backend = await startMeasured(options.backend);
  const model = await loadModel(modelDir);
  const actual = computeBatch(model, golden);
  tf.dispose(model.parameters);
  const expected = [...golden.chosen_sequence_logps, ...golden.rejected_sequence_logps];
  const gaps = {
    logps_gap: Math.max(...expected.map((logp, i) => relativeGap(actual.logps[i] ?? Number.NaN, logp))),
    loss_gap: relativeGap(actual.loss, golden.stepwise_loss),
    grad_norm_gap: relativeGap(actual.gradNorm, golden.grad_norm),
  };
  const within = Object.values(gaps).every((gap) => gap <= BATCH_TOLERANCE);
  const pairs = golden.prompts.length;
  return { bench: "parity", backend, model: modelDir, pairs, ...gaps, tolerance: BATCH_TOLERANCE, within };
}

function computeBatch(
  { parameters, config }: Model,
  golden: GoldenBatch,
): { logps: number[]; loss: number; gradNorm: number } {
  const count = golden.prompts.length;
  const labels = [...golden.chosen, ...golden.rejected];
  let logps: number[] = [];
  const { value, gradients } = valueAndGradients((p) => {
    const { sequenceLogps } = completionLogps(p, config, {
      prompts: padRows(golden.prompts, config.padTokenId),
      labels,
    });
    logps = Array.from(sequenceLogps.dataSync());
    const chosen = tf.slice(sequenceLogps, 0, count) as Tensor1D;
    const rejected = tf.slice(sequenceLogps, count, count) as Tensor1D;
    return stepwiseDpoLoss(chosen, rejected, tf.tensor1d(golden.score_margin));
  }, parameters);
  const gradNorm = globalNorm(gradients);
  const loss = value.dataSync()[0] ?? Number.NaN;
  tf.dispose([value, gradients]);
  return { logps, loss, gradNorm };
}

async function readBatch(path: string): Promise<GoldenBatch> {
  const fix = "docs/benchmarks.md says how PyTorch makes one.";
  const text = await readFile(path, "utf8").catch((cause: unknown) => {
    throw new InputError({ code: "no_golden", what: "the golden file cannot be read", where: path, fix, cause });
  });
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new ArtifactError({ code: "bad_golden", what: "the golden file is not JSON", where: path, fix, cause });
  }
  const parsed = batchSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const what = `field "${issue?.path.join(".") ?? ""}": ${issue?.message ?? "invalid"}`;
  throw new ArtifactError({ code: "bad_golden", what, where: path, fix });
}
