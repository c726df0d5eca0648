// What the Ask view holds, and what its buttons do. Nothing that was written is ever thrown away by a failure.

import { signal } from "@preact/signals";
import * as z from "zod/mini";
import { splitSteps } from "../../shared/steps.ts";
import type { TokenEvent } from "../api/answers.ts";
import { type ApiFailure, toFailure } from "../api/failure.ts";
import { addressView } from "../state/address.ts";
import { client, type Source, source } from "../state/session.ts";
import { NOTHING, type ScoredText, type Token, withScore } from "../steps/scored-text.ts";
import { inspected } from "../steps/token-text.tsx";

/** The first is long enough that a small model goes wrong on the way: that is what step scores are for. */
export const EXAMPLES = [
  {
    name: "Six steps",
    text: "There are 59 nuts on the table of Ella. She sells 36 of the nuts. Ella gets as many nuts again from Omar. She doubles the number of nuts. Next she picks 3 more nuts. Omar gives her 4 nuts. How many nuts does Ella have in the end?",
  },
  {
    name: "Three steps",
    text: "Ruth has 24 trays with 3 eggs each. Later she sells half of her eggs. How many eggs does Ruth have in the end?",
  },
  { name: "Two steps", text: "Mia has 12 apples. Then she gets 7 apples from Tom. How many apples does Mia have now?" },
] as const;

const settingsShape = z.object({
  /** 0 is greedy. */
  temperature: z.number(),
  seed: z.number(),
  maxNewTokens: z.number(),
});
export type AskSettings = z.infer<typeof settingsShape>;

/** A whole answer of one source, to hold beside another's. */
export interface Run {
  request: string;
  text: string;
  timing: Timing;
}

export interface Timing {
  firstMs: number | undefined;
  totalMs: number | undefined;
  tokens: number;
}

export const prompt = signal<string>(EXAMPLES[0].text);
export const settings = signal<AskSettings>({ temperature: 0, seed: 1, maxNewTokens: 160 });
export const written = signal<ScoredText>(NOTHING);
/** The prompt that `written` answers. */
export const answered = signal("");
export const running = signal<AbortController | undefined>(undefined);
export const failure = signal<ApiFailure | undefined>(undefined);
export const timing = signal<Timing | undefined>(undefined);
/** The last whole answer of each source. */
export const runs = signal<Partial<Record<Source, Run>>>({});
export const queued = signal<number | undefined>(undefined);

const TOP_TOKENS = 4;

/** The body of the request that the view sends. */
export function askBody(prefix = "") {
  const { temperature, seed, maxNewTokens } = settings.value;
  return {
    inputs: prompt.value,
    parameters: {
      max_new_tokens: maxNewTokens,
      ...(temperature > 0 && { temperature, seed }),
      ...(prefix !== "" && { prefix }),
      details: true,
      top_n_tokens: TOP_TOKENS,
      score_steps: true,
      queue_position: true,
    },
  };
}

/** Writes an answer, or goes on after `kept` steps of the one that is there. */
export async function generate(kept = 0): Promise<void> {
  running.value?.abort();
  const controller = new AbortController();
  running.value = controller;
  failure.value = undefined;
  queued.value = undefined;
  inspected.value = undefined;
  const prefix = prefixOf(written.value.text, kept);
  written.value = { ...NOTHING, text: prefix, from: prefix.length, scores: written.value.scores.slice(0, kept) };
  answered.value = prompt.value;
  const from = source.value;
  const body = askBody(prefix);
  const began = performance.now();
  timing.value = { firstMs: undefined, totalMs: undefined, tokens: 0 };
  try {
    await client.value.stream(
      body,
      {
        onToken: (event) => {
          queued.value = undefined;
          const first = timing.value?.firstMs ?? performance.now() - began;
          timing.value = {
            firstMs: first,
            totalMs: performance.now() - began,
            tokens: (timing.value?.tokens ?? 0) + 1,
          };
          written.value = withToken(written.value, event);
        },
        onStep: ({ index, score }) => {
          written.value = withScore(written.value, index, score);
        },
        onQueue: (position) => {
          queued.value = position;
        },
      },
      controller.signal,
    );
    const run = { request: JSON.stringify(body), text: written.value.text, timing: timing.value };
    runs.value = { ...runs.value, [from]: run };
  } catch (error) {
    if (running.value === controller) failure.value = toFailure(error);
  } finally {
    if (running.value === controller) running.value = undefined;
    queued.value = undefined;
  }
}

/** Stops writing; what there is stays. */
export function stop(): void {
  running.value?.abort();
}

/** Another answer: another seed, and a temperature where there was none. */
export function regenerate(): Promise<void> {
  const seed = crypto.getRandomValues(new Uint32Array(1))[0] ?? 0;
  settings.value = { ...settings.value, seed, temperature: settings.value.temperature || 0.8 };
  return generate();
}

/** Replaces a step by the person's words and scores all again. */
export async function editStep(index: number, text: string): Promise<void> {
  const steps = splitSteps(written.value.text).map((step) => step.text);
  steps[index] = text;
  const whole = steps.join("\n");
  written.value = { ...NOTHING, text: whole, from: whole.length, scores: steps.map(() => null) };
  inspected.value = undefined;
  await scoreAgain();
}

/** Scores what is there, and gets the log-probs of its tokens. */
export async function scoreAgain(): Promise<void> {
  const { text } = written.value;
  if (splitSteps(text).length === 0) return;
  failure.value = undefined;
  try {
    const [scored] = await client.value.score({ prompt: answered.value, completions: [text], logprobs: true });
    if (scored === undefined || written.value.text !== text) return;
    const tokens = (scored.logprobs?.tokens ?? []).map(
      (token, at): Token => ({ text: token, logprob: scored.logprobs?.token_logprobs[at] ?? Number.NaN, top: [] }),
    );
    written.value = {
      text,
      from: 0,
      tokens: tokens.filter((token) => token.text !== ""),
      scores: scored.steps.map(({ score }) => score),
    };
  } catch (error) {
    failure.value = toFailure(error);
  }
}

/** The first steps of a text, each with its newline. */
function prefixOf(text: string, steps: number): string {
  return splitSteps(text)
    .slice(0, steps)
    .map((step) => `${step.text}\n`)
    .join("");
}

function withToken(scored: ScoredText, { token, top_tokens: top = [], generated_text: whole }: TokenEvent): ScoredText {
  const added: Token = { text: token.special ? "" : token.text, logprob: token.logprob, top };
  const text = whole ?? scored.text + added.text;
  return { ...scored, text, tokens: [...scored.tokens, added] };
}

const savedShape = z.object({
  prompt: z.string(),
  settings: settingsShape,
  answered: z.string(),
  text: z.string(),
  scores: z.array(z.nullable(z.number())),
});

addressView("ask", {
  save() {
    const { text, scores } = written.value;
    if (running.value !== undefined) return undefined;
    return { prompt: prompt.value, settings: settings.value, answered: answered.value, text, scores };
  },
  restore(saved) {
    const parsed = savedShape.safeParse(saved);
    if (!parsed.success) return;
    const { text, scores } = parsed.data;
    prompt.value = parsed.data.prompt;
    settings.value = parsed.data.settings;
    answered.value = parsed.data.answered;
    written.value = { text, from: text.length, tokens: [], scores };
  },
});
