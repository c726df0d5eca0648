// A step search on the engine: the next steps of all kept prefixes are written side by side, then all are scored in one request.

import { CapacityError } from "../../shared/errors.ts";
import { NEXT_STEP } from "../../shared/process-reward.ts";
import { type Continuation, runSearches, type SearchModels } from "../../shared/search/run-searches.ts";
import {
  type Ask,
  type SearchNode,
  type StepSearchOptions,
  type StepSearchRound,
  stepSearch,
} from "../../shared/search/step-search.ts";
import { splitSteps } from "../../shared/steps.ts";
import type { UnknownText } from "../../shared/unknown-characters.ts";
import type { Candidate, GeneratedToken, GenerateOptions } from "../engine/generate.ts";
import { endOfStopAcross } from "../engine/stop.ts";
import type { Used } from "../engine/used.ts";
import type { AppDeps } from "../http/app-env.ts";
import type { Call } from "../http/call.ts";
import { firstFailureAborts } from "../http/first-failure.ts";
import { meter } from "../http/meter.ts";
import { MAX_WIDTH } from "./parameters.ts";
import { settledText } from "./settled-text.ts";

/** A search ends after so long, and returns what it has. */
const MAX_SEARCH_MS = 110_000;
/** Rows of one ask have seeds one after another. */
const SEEDS_AN_ASK = 16;
/** A text read again may have a few tokens more than those that were written. */
const SPARE_TOKENS = 4;

export interface GuidedSolution {
  candidate: Candidate;
  tokens: readonly GeneratedToken[];
  stepScores: readonly number[];
}

export interface GuidedResult {
  model: string;
  promptTokens: number;
  unknown?: UnknownText | undefined;
  /** All that were written, dropped steps included. */
  completionTokens: number;
  rounds: number;
  /** Best first. */
  solutions: GuidedSolution[];
}

/** A round: how many there were, tokens written so far, the best text and its score; the tree's new steps, and the ids of all kept. */
export interface RoundTold {
  round: number;
  tokens: number;
  text: string;
  score: number | null;
  nodes: readonly SearchNode[];
  kept: readonly number[];
}

/** Hears how a search goes. */
export interface GuidedWatch {
  /** After each round. */
  onRound(round: RoundTold): void;
  /** What every solution that may still be returned begins with, from its beginning, each time that it grows. */
  onSettled(tokens: readonly GeneratedToken[], stepScores: readonly number[], text: string): void;
}

/** Searches for solutions of `options.prompt`. Throws what the engine throws, CapacityError when the time was over at once. */
export async function guidedSearch(
  deps: AppDeps,
  call: Call,
  options: GenerateOptions,
  search: StepSearchOptions & { watch?: GuidedWatch | undefined },
): Promise<GuidedResult> {
  const { policy, reward } = await deps.engine.load();
  const isProcess = reward.manifest.reward?.type === "process";
  const limit = Math.min(policy.manifest.limits.max_target_tokens - SPARE_TOKENS, options.maxNewTokens ?? Infinity);
  const endsAt = Date.now() + Math.min(options.maxTimeMs ?? MAX_SEARCH_MS, MAX_SEARCH_MS);
  /** Tokens of every text that was written. */
  const written = new Map<string, Written>([["", { ids: [], tokens: [], reason: "length" }]]);
  let promptTokens = 0;
  let unknown: UnknownText | undefined;
  const count = meter(deps, call);
  let isPromptCounted = false;
  /** The prompt is read again for every ask, and counts once. */
  const countWriting = (used: Used): void => {
    count({ ...used, promptTokens: isPromptCounted ? 0 : used.promptTokens });
    isPromptCounted ||= used.promptTokens > 0;
  };

  const writeOne = async (ask: Ask): Promise<Continuation[]> => {
    const { prefix, count: candidates } = ask;
    const before = written.get(prefix);
    if (before === undefined) throw new TypeError("a prefix that was not written");
    const maxNewTokens = Math.min(ask.maxNewTokens, limit - before.ids.length);
    const leftMs = endsAt - Date.now();
    if (maxNewTokens < 1 || leftMs <= 0) return [];
    const events: GeneratedToken[][] = Array.from({ length: candidates }, () => []);
    const generation = await deps.engine.generate({
      ...options,
      prefix,
      candidates,
      maxNewTokens,
      maxTimeMs: leftMs,
      seed: (options.seed + ask.stream * SEEDS_AN_ASK) % 2 ** 32,
      stop: [...options.stop, "\n"],
      signal: call.signal,
      onToken: (token) => events[token.candidate]?.push(token),
      onUsed: countWriting,
    });
    promptTokens = generation.promptTokens;
    if (prefix === "") unknown = generation.unknown;
    return generation.candidates.map((candidate, row) => {
      const all = events[row] ?? [];
      const step = all.map((token) => token.text).join("");
      const stopEnd = endOfStopAcross(prefix, step, options.stop);
      const tokens = stopEnd === undefined ? all : tokensUpTo(all, stopEnd);
      const text = step.slice(0, stopEnd);
      const whole = prefix + text;
      if (!written.has(whole)) {
        written.set(whole, {
          ids: [...before.ids, ...candidate.ids.slice(0, tokens.length)],
          tokens: [...before.tokens, ...tokens],
          reason: stopEnd === undefined ? candidate.finishReason : "stop_sequence",
        });
      }
      return {
        text,
        tokens: candidate.ids.length,
        logp: tokens.reduce((sum, { logp }) => sum + logp, 0),
        finished: candidate.finishReason === "eos_token" || stopEnd !== undefined,
      };
    });
  };
  const models: SearchModels = {
    write: (asks) => firstFailureAborts(call, asks, writeOne, MAX_WIDTH),
    async score(texts) {
      const asked = texts.map(({ text, finished }) => {
        const steps = splitSteps(text);
        return { field: "search", steps: isProcess && !finished ? [...steps, NEXT_STEP] : steps, count: steps.length };
      });
      const scoring = await deps.engine.score({
        prompt: options.prompt,
        completions: asked,
        aggregation: search.aggregation,
        context: deps.settings.JUDGE_CONTEXT,
        signal: call.signal,
        onUsed: count,
      });
      return scoring.completions.map((one, at) => one.steps.slice(0, asked[at]?.count).map(({ score }) => score));
    },
  };
  let settledLength = 0;
  const onRound = ({ round, tokens, kept, nodes, keptIds }: StepSearchRound): void => {
    const [best] = kept;
    if (search.watch === undefined || best === undefined) return;
    const score = best.stepScores.length === 0 ? null : best.score;
    search.watch.onRound({ round, tokens, text: best.text, score, nodes, kept: keptIds });
    const text = settledText(kept.map((one) => one.text));
    const settled = written.get(text);
    if (text.length <= settledLength || settled === undefined) return;
    settledLength = text.length;
    search.watch.onSettled(settled.tokens, best.stepScores.slice(0, splitSteps(text).length), text);
  };
  const [result] = await runSearches([stepSearch({ ...search, onRound })], models);
  if (result === undefined || result.solutions.length === 0) throw nothingWritten();
  const solutions = result.solutions.map(({ text, finished, stepScores }): GuidedSolution => {
    const { ids, tokens, reason } = written.get(text) ?? { ids: [], tokens: [], reason: "length" as const };
    const candidate: Candidate = {
      ids: [...ids],
      tokenLogps: tokens.map(({ logp }) => logp),
      tokenTexts: [],
      text,
      finishReason: finished ? reason : "length",
    };
    return { candidate, tokens, stepScores };
  });
  return {
    model: policy.manifest.model,
    promptTokens,
    unknown,
    completionTokens: result.tokens,
    rounds: result.rounds,
    solutions,
  };
}

/** The first tokens whose texts reach so far; the last one's is cut there. */
function tokensUpTo(tokens: readonly GeneratedToken[], length: number): GeneratedToken[] {
  const kept: GeneratedToken[] = [];
  let start = 0;
  for (const token of tokens) {
    if (start >= length) break;
    kept.push({ ...token, text: token.text.slice(0, length - start) });
    start += token.text.length;
  }
  return kept;
}

interface Written {
  ids: readonly number[];
  tokens: readonly GeneratedToken[];
  reason: Candidate["finishReason"];
}

function nothingWritten(): CapacityError {
  return new CapacityError({
    code: "deadline",
    what: "the time for the search was over before a step was written",
    fix: "Allow more time (max_time), or try when the worker is less busy.",
  });
}
