// A golden file: what PyTorch computed for one small model, from forward pass to twenty optimizer steps (docs/parity.md).
// Its snake_case fields are named once, here.

import { readFile } from "node:fs/promises";
import { z } from "zod";
import { ArtifactError, InputError } from "../../../shared/errors.ts";
import type { T5Config } from "../../../shared/t5-config.ts";

const numbers = z.array(z.number()).min(1);
const tokenRow = z.array(z.number().int().nonnegative()).min(1);
const tokenRows = z.array(tokenRow).min(1);
const rows = z.array(numbers).min(1);

const fileSchema = z
  .object({
    prompts: tokenRows,
    chosen: tokenRows,
    rejected: tokenRows,
    score_margin: numbers,
    encoder_last_hidden_state_row0_first3: rows,
    encoder_last_hidden_state_row1_unpadded_last: numbers,
    chosen_logits_row0_first2: rows,
    chosen_token_logps: rows,
    chosen_sequence_logps: numbers,
    rejected_logits_row0_first2: rows,
    rejected_token_logps: rows,
    rejected_sequence_logps: numbers,
    greedy: z.array(tokenRow.min(2)).min(1),
    stepwise_loss: z.number(),
    grad_norm: z.number(),
    grad_l2_by_parameter: z.record(z.string(), z.number()),
    adamw: z.object({
      lr: z.number().positive(),
      betas: z.tuple([z.number(), z.number()]),
      eps: z.number().positive(),
      weight_decay: z.number().nonnegative(),
      max_grad_norm: z.number().nonnegative(),
      curve: z.array(z.object({ loss: z.number(), grad_norm: z.number() })).min(1),
    }),
  })
  .superRefine((file, context) => {
    const count = file.prompts.length;
    const sameCount = (field: string, length: number): void => {
      if (length !== count)
        context.addIssue({ code: "custom", path: [field], message: `${length} rows, ${count} prompts` });
    };
    for (const side of ["chosen", "rejected"] as const) {
      sameCount(side, file[side].length);
      sameCount(`${side}_token_logps`, file[`${side}_token_logps`].length);
      sameCount(`${side}_sequence_logps`, file[`${side}_sequence_logps`].length);
      file[side].forEach((row, i) => {
        const logps = file[`${side}_token_logps`][i]?.length ?? 0;
        if (logps !== row.length) {
          context.addIssue({
            code: "custom",
            path: [`${side}_token_logps`, i],
            message: `${logps} values, ${row.length} tokens`,
          });
        }
      });
    }
    sameCount("score_margin", file.score_margin.length);
    sameCount("greedy", file.greedy.length);
    if (count < 2)
      context.addIssue({ code: "custom", path: ["prompts"], message: "two prompts or more, of which one is padded" });
  });

/** One side of the pairs: token ids (ending in EOS) and what the reference says of them. */
export interface GoldenSide {
  ids: number[][];
  tokenLogps: number[][];
  sequenceLogps: number[];
  /** Logits of row 0 at its first positions, [2, V]. */
  firstLogits: number[][];
}

export interface Golden {
  path: string;
  prompts: number[][];
  chosen: GoldenSide;
  rejected: GoldenSide;
  scoreMargins: number[];
  encoder: {
    /** Row 0 at its first positions, [3, D]. */
    row0First: number[][];
    /** Row 1 at its last real token, [D]: right only if padding is masked. */
    row1Last: number[];
  };
  /** Token ids from the start token on, padded after EOS. */
  greedy: number[][];
  loss: number;
  gradNorm: number;
  /** L2 norm of the loss's gradient by Hugging Face parameter name. */
  gradNormByParameter: Record<string, number>;
  adamw: {
    learningRate: number;
    beta1: number;
    beta2: number;
    epsilon: number;
    weightDecay: number;
    maxGradNorm: number;
    /** Before each step: loss and gradient norm before clipping. */
    curve: { loss: number; gradNorm: number }[];
  };
}

const FIX = "A golden file has every field of tests/golden/t5-v1.1/golden.json.";

/** Parses a golden file's JSON. Throws ArtifactError naming the field that is missing, of a wrong type or of a wrong length. */
export function parseGolden(json: unknown, path = "golden.json"): Golden {
  const parsed = fileSchema.safeParse(json);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const field = issue?.path.join(".") ?? "";
    const what = `${field === "" ? "the file" : `field "${field}"`}: ${issue?.message ?? "invalid"}`;
    throw new ArtifactError({ code: "bad_golden", what, where: path, fix: FIX });
  }
  const file = parsed.data;
  const side = (name: "chosen" | "rejected"): GoldenSide => ({
    ids: file[name],
    tokenLogps: file[`${name}_token_logps`],
    sequenceLogps: file[`${name}_sequence_logps`],
    firstLogits: file[`${name}_logits_row0_first2`],
  });
  const { lr, betas, eps, weight_decay, max_grad_norm, curve } = file.adamw;
  return {
    path,
    prompts: file.prompts,
    chosen: side("chosen"),
    rejected: side("rejected"),
    scoreMargins: file.score_margin,
    encoder: {
      row0First: file.encoder_last_hidden_state_row0_first3,
      row1Last: file.encoder_last_hidden_state_row1_unpadded_last,
    },
    greedy: file.greedy,
    loss: file.stepwise_loss,
    gradNorm: file.grad_norm,
    gradNormByParameter: file.grad_l2_by_parameter,
    adamw: {
      learningRate: lr,
      beta1: betas[0],
      beta2: betas[1],
      epsilon: eps,
      weightDecay: weight_decay,
      maxGradNorm: max_grad_norm,
      curve: curve.map(({ loss, grad_norm }) => ({ loss, gradNorm: grad_norm })),
    },
  };
}

/** Reads a golden file. Throws InputError when there is none, ArtifactError when it is not one. */
export async function loadGolden(path: string): Promise<Golden> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    const fix = "Give an existing file, such as --golden tests/golden/t5-v1.1/golden.json.";
    throw new InputError({ code: "no_golden", what: "the golden file cannot be read", where: path, fix, cause });
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new ArtifactError({ code: "bad_golden", what: "the golden file is not JSON", where: path, fix: FIX, cause });
  }
  return parseGolden(json, path);
}

/** Throws ArtifactError when the golden numbers cannot be of a model with this config. */
export function checkGoldenFits(golden: Golden, config: T5Config, modelDir: string): void {
  const ids = [golden.prompts, golden.chosen.ids, golden.rejected.ids, golden.greedy].flat(2);
  const largest = ids.reduce((top, id) => Math.max(top, id), 0);
  const width = golden.encoder.row1Last.length;
  const vocab = golden.chosen.firstLogits[0]?.length;
  const gap =
    largest >= config.vocabSize
      ? `it has token id ${largest}, the model ${config.vocabSize} ids`
      : width !== config.dModel
        ? `its encoder states have ${width} values, the model's ${config.dModel}`
        : vocab !== config.vocabSize
          ? `its logits have ${vocab} values, the model's ${config.vocabSize}`
          : undefined;
  if (gap === undefined) return;
  const fix = "Give the golden file that was made with this model.";
  throw new ArtifactError({
    code: "golden_mismatch",
    what: `the golden file is not of ${modelDir}: ${gap}`,
    where: golden.path,
    fix,
  });
}
