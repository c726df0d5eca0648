// Step scores from the reward model: P(yes) / (P(yes) + P(no)) at the first decoder position of each step's judge prompt,
// several prompts in one run, grouped by length so that little is padding.
// Equal prompts are judged once: the steps that two completions share get the same score, to the last bit.

import { type Aggregation, aggregateScores } from "../../shared/aggregate.ts";
import { InputError } from "../../shared/errors.ts";
import { type JudgeContext, judgePrompt, judgePromptLengths, policyPrompt, yesScore } from "../../shared/prompts.ts";
import type { Step } from "../../shared/steps.ts";
import { createUnknownText, type UnknownText } from "../../shared/unknown-characters.ts";
import { checkCharacters, encodeWithinLimit } from "./encode.ts";
import type { Model } from "./model.ts";
import type { Job } from "./scheduler.ts";
import { encodeSources, firstLogits, freeEncoded } from "./t5.ts";
import type { UseListener } from "./used.ts";
import { bytesAPosition, checkWork, encoderSeconds, workingBytes } from "./work.ts";

export interface ScoreOptions extends UseListener {
  prompt: string;
  completions: readonly AskedCompletion[];
  aggregation: Aggregation;
  context: JudgeContext;
  /** Ends the request between two runs of the model; the promise rejects with its reason. */
  signal?: AbortSignal | undefined;
}

export interface AskedCompletion {
  /** The request's name of it. */
  field: string;
  steps: readonly Pick<Step, "text">[];
  /** Where it answers another prompt than the request's. */
  prompt?: string | undefined;
  /** The request's name of that prompt, where it has one. */
  promptField?: string | undefined;
  /** Scores are wanted from this step on, and told of no earlier one. */
  from?: number | undefined;
}

export interface CompletionScore {
  score: number;
  steps: { text: string; score: number }[];
}

export interface Scoring {
  /** The reward model's name. */
  model: string;
  completions: CompletionScore[];
  /** Tokens read by the model, each distinct text once. */
  promptTokens: number;
  /** What the vocabulary lacks of those; absent where it lacks nothing. */
  unknown?: UnknownText | undefined;
}

const MAX_BATCH_ROWS = 16;
/** The lean form is for models that barely fit: the cross cache of one question is megabytes. */
const MAX_LEAN_BATCH_ROWS = 1;
const MAX_BATCH_TOKENS = 2048;
/** Steps that one request may ask about. */
const MAX_STEPS = 512;

interface Question {
  text: string;
  ids: number[];
  /** Where it was asked first. */
  field: string;
  index: number;
}

/** A scoring request as a job. */
export interface ScoreJob extends Job {
  result(): Scoring;
}

/** No text has fewer a token on average than that; only for an estimate. */
const FEWEST_CHARACTERS_A_TOKEN = 2;
/** Characters of judge prompts that are encoded in one go. */
const CHARACTERS_A_BIT = 20_000;
/** Characters of all judge prompts of one request. */
const MAX_CHARACTERS = 2_000_000;

/**
 * Scores every step of every completion, some steps a turn. Throws InputError for a completion without steps, and for judge prompts of too
 * many characters, one or all; as it goes, for one of too many tokens.
 */
export function judgeJob(model: Model, options: ScoreOptions): ScoreJob {
  checkSteps(options.completions);
  const questions = new Map<string, Question>();
  let characters = 0;
  const texts = options.completions.map(({ field, steps, prompt: own, promptField = field, from = 0 }) => {
    const prompt = own ?? options.prompt;
    if (options.context !== "none") checkPrompt(model, prompt, own === undefined ? "prompt" : promptField);
    const lengths = judgePromptLengths(policyPrompt(prompt), steps, options.context);
    return steps.slice(from).map((_, at) => {
      const index = from + at;
      // before the text is built: each may hold the whole prompt
      checkCharacters(model, lengths[index] ?? 0, aboutQuestion({ field, index }));
      const text = judgePrompt(policyPrompt(prompt), steps, index, options.context);
      const known = questions.get(text);
      if (known !== undefined) return known;
      characters += text.length;
      if (characters > MAX_CHARACTERS) throw tooManyCharacters(options);
      const question = { text, ids: [], field, index };
      questions.set(text, question);
      return question;
    });
  });
  // a batch's keys and values; the lean form reads one question at a time
  const longest = Math.min(
    Math.max(...[...questions.keys()].map((text) => text.length)) / FEWEST_CHARACTERS_A_TOKEN,
    model.lean === undefined ? MAX_BATCH_TOKENS : model.manifest.limits.max_source_tokens,
  );
  const answers = new Map<Question, number>();
  const unread = [...questions.values()];
  const unknown = createUnknownText(model.tokenizer);
  let batches: Question[][] | undefined;

  const encodeSome = (): void => {
    for (let read = 0; read < CHARACTERS_A_BIT; ) {
      const question = unread.pop();
      if (question === undefined) break;
      question.ids = encodeQuestion(model, question);
      unknown.add(question.text, question.ids);
      read += question.text.length;
    }
    if (unread.length > 0) return;
    const tokens = [...questions.values()].reduce((sum, { ids }) => sum + ids.length, 0);
    checkWork(encoderSeconds(model.config, tokens, questions.size), {
      what: `scoring ${questions.size} steps of ${tokens} tokens, questions included,`,
      field: options.completions[0]?.field ?? "completion",
      fix: "Send fewer or shorter ones at a time.",
    });
    batches = batchesByLength([...questions.values()], model.lean === undefined ? MAX_BATCH_ROWS : MAX_LEAN_BATCH_ROWS);
  };
  return {
    bytes: longest * bytesAPosition(model.config),
    workingBytes: workingBytes(model.config, longest),
    get isDone() {
      return unread.length === 0 && answers.size === questions.size;
    },
    hasWork: true,
    async advance() {
      if (batches === undefined) return encodeSome();
      const batch = batches.shift() ?? [];
      const scores = await judge(model, batch);
      for (const [row, question] of batch.entries()) answers.set(question, scores[row] ?? Number.NaN);
    },
    deliver: () => undefined,
    release() {
      const promptTokens = [...answers.keys()].reduce((sum, { ids }) => sum + ids.length, 0);
      const steps = texts.flat().filter((question) => answers.has(question)).length;
      options.onUsed?.({ promptTokens, completionTokens: 0, steps });
    },
    result: () => ({
      model: model.manifest.model,
      completions: options.completions.map(({ steps, from = 0 }, at) => {
        const scored = steps.slice(from).map(({ text }, index) => {
          const question = texts[at]?.[index];
          return { text, score: (question && answers.get(question)) ?? Number.NaN };
        });
        const scores = scored.map((step) => step.score);
        return { score: aggregateScores(scores, options.aggregation), steps: scored };
      }),
      promptTokens: [...questions.values()].reduce((sum, { ids }) => sum + ids.length, 0),
      unknown: unknown.found(),
    }),
  };
}

async function judge(model: Model, batch: readonly Question[]): Promise<number[]> {
  const encoded = await encodeSources(
    model,
    batch.map((question) => question.ids),
  );
  const logits = await firstLogits(model, encoded).finally(() => freeEncoded(model, encoded));
  const { yes_token_id: yes, no_token_id: no } = model.manifest.judge;
  const { vocabSize } = model.config;
  return batch.map((_, row) =>
    yesScore(logits[row * vocabSize + yes] ?? Number.NaN, logits[row * vocabSize + no] ?? Number.NaN),
  );
}

/** Batches of questions of like length: at most `maxRows` rows and 2048 tokens, padding included; one row may be longer. */
export function batchesByLength<T extends { ids: readonly number[] }>(questions: readonly T[], maxRows: number): T[][] {
  const batches: T[][] = [];
  for (const question of [...questions].sort((a, b) => a.ids.length - b.ids.length)) {
    const batch = batches.at(-1);
    const fits =
      batch !== undefined && batch.length < maxRows && (batch.length + 1) * question.ids.length <= MAX_BATCH_TOKENS;
    if (fits) batch.push(question);
    else batches.push([question]);
  }
  return batches;
}

/** Throws InputError for a completion without steps, or for more steps than one request may ask about. */
export function checkSteps(completions: ScoreOptions["completions"]): void {
  const empty = completions.find(({ steps }) => steps.length === 0);
  if (empty !== undefined) throw noSteps(empty.field);
  const count = completions.reduce((sum, { steps }) => sum + steps.length, 0);
  if (count <= MAX_STEPS) return;
  throw new InputError({
    code: "too_many_steps",
    what: `${count} steps in one request, the limit is ${MAX_STEPS}`,
    where: `field "${completions[0]?.field.replace(/\[\d+\]$/, "") ?? ""}"`,
    fix: "Send fewer at a time.",
  });
}

function noSteps(field: string): InputError {
  return new InputError({
    code: "no_steps",
    what: `${field} has no steps`,
    where: `field "${field}"`,
    fix: "Write at least one line.",
  });
}

function tooManyCharacters({ completions }: ScoreOptions): InputError {
  return new InputError({
    code: "too_much_work",
    what: `the questions about all steps have more than ${MAX_CHARACTERS} characters`,
    where: `field "${completions[0]?.field ?? "completion"}"`,
    fix: "Send fewer or shorter ones at a time.",
  });
}

function checkPrompt(model: Model, prompt: string, field: string): void {
  checkCharacters(model, policyPrompt(prompt).length, { what: "prompt", field, fix: "Shorten it." });
}

function encodeQuestion(model: Model, question: Question): number[] {
  return encodeWithinLimit(model, question.text, aboutQuestion(question));
}

function aboutQuestion({ field, index }: Pick<Question, "field" | "index">) {
  return {
    what: `step ${index} of ${field}, with its prompt and earlier steps,`,
    field,
    fix: 'Shorten it, or send "context": "prompt" to leave the earlier steps out.',
  };
}
