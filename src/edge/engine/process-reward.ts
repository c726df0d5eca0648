// Step scores from a process reward model: the question is encoded once, every solution decoded once, and P(yes) / (P(yes) + P(no))
// is read where each step ends. The plain graph gives logits of the whole vocabulary at every position, so that with a large vocabulary a
// solution is decoded in pieces, each going on from the cache of those before: the numbers are the same, the memory is not. In the lean form
// the head, a graph of its own, is run at step ends alone.

import { aggregateScores } from "../../shared/aggregate.ts";
import { InputError } from "../../shared/errors.ts";
import { layoutSolution, NEXT_STEP } from "../../shared/process-reward.ts";
import { policyPrompt, yesScore } from "../../shared/prompts.ts";
import { createUnknownText } from "../../shared/unknown-characters.ts";
import { encodeWithinLimit, MAX_CHARACTERS_PER_TOKEN } from "./encode.ts";
import { batchesByLength, checkSteps, type ScoreJob, type ScoreOptions } from "./judge.ts";
import type { Model } from "./model.ts";
import {
  allLogits,
  type Cache,
  decodeStep,
  type Encoded,
  encodeSources,
  freeCache,
  freeEncoded,
  logitsAt,
  repeatSource,
} from "./t5.ts";
import { bytesAPosition, checkWork, encoderSeconds, workingBytes } from "./work.ts";

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

/** A prompt, and the solutions of it by their ids. */
interface Question {
  ids: number[];
  rows: Map<string, Row>;
}

/**
 * Scores every step of every completion, a batch of solutions a turn. Throws InputError for a completion without steps, a prompt or
 * completion above the model's limits, too much work, or a context, which only a judge can be given. `maxLogits` bounds one run of the
 * decoder.
 */
export function processJob(model: Model, options: ScoreOptions, maxLogits = MAX_LOGITS): ScoreJob {
  const { completions, context } = options;
  checkSteps(completions);
  if (context !== "prefix") throw noContext(model, context);
  const questions = new Map<string, Question>();
  const unknown = createUnknownText(model.tokenizer);
  const asked = completions.map(({ field, steps, prompt: own, promptField }) => {
    const prompt = own ?? options.prompt;
    const read = questions.get(prompt);
    const question = read ?? readQuestion(model, prompt, own === undefined ? "prompt" : (promptField ?? field));
    if (read === undefined) unknown.add(prompt, question.ids);
    questions.set(prompt, question);
    const row = layOut(model, prompt, field, steps);
    const key = row.ids.join(" ");
    const known = question.rows.get(key);
    if (known !== undefined) return known;
    unknown.add(steps.map(({ text }) => text).join("\n"), row.ids);
    question.rows.set(key, row);
    return row;
  });
  const all = [...questions.values()];
  const rows = all.flatMap((question) => [...question.rows.values()]);
  const sum = (lists: readonly { ids: readonly number[] }[]): number => lists.reduce((n, { ids }) => n + ids.length, 0);
  const longest = (lists: readonly { ids: readonly number[] }[]): number =>
    Math.max(...lists.map(({ ids }) => ids.length));
  checkWork(encoderSeconds(model.config, sum(all) + 2 * sum(rows), all.length + rows.length), {
    what: `scoring ${rows.length} solutions of ${sum(rows)} tokens`,
    field: completions[0]?.field ?? "completion",
    fix: "Send fewer or shorter ones at a time.",
  });
  const maxRows = model.lean === undefined ? MAX_BATCH_ROWS : MAX_LEAN_BATCH_ROWS;
  const batches = all.flatMap((question) =>
    batchesByLength([...question.rows.values()], maxRows).map((batch) => ({ question, batch })),
  );
  let unread = batches.length;
  let readTokens = 0;
  let encoded: { question: Question; source: Encoded } | undefined;
  const free = (): void => {
    if (encoded !== undefined) freeEncoded(model, encoded.source);
    encoded = undefined;
  };
  return {
    bytes: (longest(all) + 2 * longest(rows)) * bytesAPosition(model.config),
    workingBytes: workingBytes(model.config, Math.max(longest(all), longest(rows))),
    get isDone() {
      return unread === 0;
    },
    hasWork: true,
    async advance() {
      const [next] = batches;
      if (next === undefined) return;
      if (encoded?.question !== next.question) {
        free();
        encoded = { question: next.question, source: await encodeSources(model, [next.question.ids]) };
        readTokens += next.question.ids.length;
        return;
      }
      batches.shift();
      await scoreBatch(model, repeatSource(model, encoded.source, next.batch.length), next.batch, maxLogits);
      readTokens += sum(next.batch);
      unread--;
    },
    deliver: () => undefined,
    release() {
      free();
      const scored = completions.map(({ steps, from = 0 }, at) =>
        asked[at]?.scores.length === 0 ? 0 : steps.slice(from).filter((step) => step !== NEXT_STEP).length,
      );
      const steps = scored.reduce((total, count) => total + count, 0);
      options.onUsed?.({ promptTokens: readTokens, completionTokens: 0, steps });
    },
    result: () => ({
      model: model.manifest.model,
      completions: completions.map(({ steps, from = 0 }, at) => {
        const scores = (asked[at]?.scores ?? []).slice(from);
        return {
          score: aggregateScores(scores, options.aggregation),
          steps: steps.slice(from).map(({ text }, index) => ({ text, score: scores[index] ?? Number.NaN })),
        };
      }),
      promptTokens: sum(all) + sum(rows),
      unknown: unknown.found(),
    }),
  };
}

function readQuestion(model: Model, prompt: string, field: string): Question {
  const about = { what: "prompt", field, fix: "Shorten it." };
  return { ids: encodeWithinLimit(model, policyPrompt(prompt), about), rows: new Map() };
}

/** Decodes the solutions of a batch, padded on the right, where no earlier position sees it, and fills in their scores. */
async function scoreBatch(model: Model, encoded: Encoded, batch: readonly Row[], maxLogits: number): Promise<void> {
  if (model.lean !== undefined) return scoreAtOnce(model, encoded, batch, maxLogits);
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

/** In the lean form: one run of the decoder, and of its head at step ends alone. */
async function scoreAtOnce(model: Model, encoded: Encoded, batch: readonly Row[], maxLogits: number): Promise<void> {
  const { yes_token_id: yes, no_token_id: no } = model.manifest.judge;
  const length = Math.max(...batch.map(({ ids }) => ids.length));
  const inputIds = batch.flatMap(({ ids }) => Array.from({ length }, (_, t) => ids[t] ?? model.config.padTokenId));
  const ends = batch.flatMap((row, at) => row.stepEnds.map((position) => ({ row, place: at * length + position })));
  const positions = ends.map(({ place }) => place);
  const logits = await logitsAt(model, encoded, inputIds, { positions, ids: [yes, no], maxLogits });
  for (const [at, { row }] of ends.entries()) {
    row.scores.push(yesScore(logits[2 * at] ?? Number.NaN, logits[2 * at + 1] ?? Number.NaN));
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
