// Step scores from a process reward model: the question is encoded once, every solution decoded once, and P(yes) / (P(yes) + P(no))
// is read where each step ends. The graph gives logits of the whole vocabulary at every position, so that with a large vocabulary a
// solution is decoded in pieces, each going on from the cache of those before: the numbers are the same, the memory is not.

import { aggregateScores } from "../../shared/aggregate.ts";
import { InputError } from "../../shared/errors.ts";
import { layoutSolution } from "../../shared/process-reward.ts";
import { policyPrompt, yesScore } from "../../shared/prompts.ts";
import { encodeWithinLimit, MAX_CHARACTERS_PER_TOKEN } from "./encode.ts";
import { batchesByLength, checkSteps, type ScoreJob, type ScoreOptions, type Scoring } from "./judge.ts";
import type { Model } from "./model.ts";
import {
  allLogits,
  type Cache,
  decodeStep,
  type Encoded,
  encodeSources,
  freeCache,
  freeEncoded,
  repeatSource,
} from "./t5.ts";
import { bytesAPosition, checkWork, encoderSeconds } from "./work.ts";

const MAX_BATCH_ROWS = 16;
/** The lean form is for models that barely fit. */
const MAX_LEAN_BATCH_ROWS = 1;
/** Logits of one run of the decoder: 8 MB. */
const MAX_LOGITS = 2 ** 21;

/** A solution to decode; equal ones share a row. */
interface Row {
  ids: number[];
  stepEnds: number[];
  scores: number[];
}

/**
 * Scores every step of every completion, a batch of solutions a turn. Throws InputError for a completion without steps, a prompt or
 * completion above the model's limits, too much work, or a context, which only a judge can be given. `maxLogits` bounds one run of the
 * decoder.
 */
export function processJob(model: Model, options: ScoreOptions, maxLogits = MAX_LOGITS): ScoreJob {
  const { prompt, completions, context } = options;
  checkSteps(completions);
  if (context !== "prefix") throw noContext(model, context);
  const source = encodeWithinLimit(model, policyPrompt(prompt), {
    what: "prompt",
    field: "prompt",
    fix: "Shorten it.",
  });
  const rows = new Map<string, Row>();
  const asked = completions.map(({ field, steps }) => {
    const row = layOut(model, prompt, field, steps);
    const key = row.ids.join(" ");
    const known = rows.get(key) ?? row;
    rows.set(key, known);
    return known;
  });
  const decoded = [...rows.values()].reduce((sum, { ids }) => sum + ids.length, 0);
  checkWork(encoderSeconds(model.config, source.length + 2 * decoded, 1 + rows.size), {
    what: `scoring ${rows.size} solutions of ${decoded} tokens`,
    field: completions[0]?.field ?? "completion",
    fix: "Send fewer or shorter ones at a time.",
  });
  const batches = batchesByLength([...rows.values()], model.lean === undefined ? MAX_BATCH_ROWS : MAX_LEAN_BATCH_ROWS);
  const longest = Math.max(...[...rows.values()].map(({ ids }) => ids.length));
  let unread = batches.length;
  let encoded: Encoded | undefined;
  return {
    bytes: (source.length + 2 * longest) * bytesAPosition(model.config),
    get isDone() {
      return unread === 0;
    },
    hasWork: true,
    async advance() {
      if (encoded === undefined) {
        encoded = await encodeSources(model, [source]);
        return;
      }
      const batch = batches.shift() ?? [];
      await scoreBatch(model, repeatSource(model, encoded, batch.length), batch, maxLogits);
      unread--;
    },
    deliver: () => undefined,
    release() {
      if (encoded !== undefined) freeEncoded(model, encoded);
    },
    result: () => ({
      model: model.manifest.model,
      completions: completions.map(({ steps }, at) => {
        const scores = asked[at]?.scores ?? [];
        return {
          score: aggregateScores(scores, options.aggregation),
          steps: steps.map((step, index) => ({ text: step.text, score: scores[index] ?? Number.NaN })),
        };
      }),
      promptTokens: source.length + decoded,
    }),
  };
}

/** Scores without other requests beside it. Throws as `processJob` does. */
export async function scoreProcess(model: Model, options: ScoreOptions, maxLogits = MAX_LOGITS): Promise<Scoring> {
  const job = processJob(model, options, maxLogits);
  try {
    while (!job.isDone) {
      options.signal?.throwIfAborted();
      await job.advance();
    }
    return job.result();
  } finally {
    job.release();
  }
}

/** Decodes the solutions of a batch, padded on the right, where no earlier position sees it, and fills in their scores. */
async function scoreBatch(model: Model, encoded: Encoded, batch: readonly Row[], maxLogits: number): Promise<void> {
  const { padTokenId, vocabSize } = model.config;
  const { yes_token_id: yes, no_token_id: no } = model.manifest.judge;
  const length = Math.max(...batch.map(({ ids }) => ids.length));
  const piece = Math.max(1, Math.floor(maxLogits / (batch.length * vocabSize)));
  let cache: Cache | undefined;
  try {
    for (let start = 0; start < length; start += piece) {
      const end = Math.min(length, start + piece);
      const inputIds = batch.flatMap(({ ids }) =>
        Array.from({ length: end - start }, (_, t) => ids[start + t] ?? padTokenId),
      );
      let logits: Float32Array;
      if (start === 0 && end === length) logits = await allLogits(model, encoded, inputIds);
      else ({ logits, cache } = await decodeStep(model, encoded, inputIds, cache));
      batch.forEach(({ stepEnds, scores }, row) => {
        for (const position of stepEnds) {
          if (position < start || position >= end) continue;
          const at = (row * (end - start) + position - start) * vocabSize;
          scores.push(yesScore(logits[at + yes] ?? Number.NaN, logits[at + no] ?? Number.NaN));
        }
      });
    }
  } finally {
    freeCache(model, cache);
  }
}

function layOut(model: Model, prompt: string, field: string, steps: readonly { text: string }[]): Row {
  const limit = model.manifest.limits.max_target_tokens;
  const characters = steps.reduce((sum, { text }) => sum + text.length, 0);
  if (characters > limit * MAX_CHARACTERS_PER_TOKEN) throw tooLong(model, field, `${characters} characters`);
  const { decoderIds, stepEnds } = layoutSolution(model.tokenizer, model.config, prompt, steps);
  if (decoderIds.length - 1 > limit) throw tooLong(model, field, `${decoderIds.length - 1} tokens`);
  return { ids: decoderIds, stepEnds, scores: [] };
}

function tooLong(model: Model, field: string, length: string): InputError {
  const { manifest } = model;
  return new InputError({
    code: "too_long",
    what: `${field} has ${length}, the limit of model "${manifest.model}" is ${manifest.limits.max_target_tokens} tokens`,
    where: `field "${field}"`,
    fix: "Shorten it, or export the model with a larger --max-target-tokens.",
  });
}

function noContext(model: Model, context: string): InputError {
  return new InputError({
    code: "no_judge_context",
    what: `model "${model.manifest.model}" reads the question and all earlier steps; context "${context}" is for a judge`,
    where: 'field "context"',
    fix: 'Leave it out, and the worker\'s JUDGE_CONTEXT at "prefix".',
  });
}
