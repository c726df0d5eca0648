// One request's solutions, found in the way that it asks for, the one to answer with first.

import { aggregateScores } from "../../shared/aggregate.ts";
import { needsScores, rankSolutions, type Tally } from "../../shared/search/rank.ts";
import { splitSteps } from "../../shared/steps.ts";
import type { UnknownText } from "../../shared/unknown-characters.ts";
import type { Candidate, GeneratedToken, GenerateOptions } from "../engine/generate.ts";
import type { AppDeps } from "../http/app-env.ts";
import type { Call } from "../http/call.ts";
import { meter } from "../http/meter.ts";
import { type StepScore, scoreTexts } from "../routes/step-scores.ts";
import { createTokenLog } from "../routes/tokens.ts";
import { guidedSearch, type RoundTold } from "./guided.ts";
import type { SearchParameters } from "./parameters.ts";

export interface Solved {
  candidate: Candidate;
  /** Empty unless asked for. */
  tokens: readonly GeneratedToken[];
  /** Where steps were scored. */
  scores?: { score: number | null; steps: StepScore[] };
}

/** Solutions as they were found. */
export interface Found {
  /** The policy's name. */
  model: string;
  promptTokens: number;
  /** What the vocabulary lacks of the prompt. */
  unknown?: UnknownText | undefined;
  completionTokens: number;
  solutions: Solved[];
  /** Rounds of a step search. */
  rounds?: number;
}

/** The same, best first. */
export interface Solutions extends Found {
  /** The vote's answers, the winner first; empty without a vote. */
  tally: Tally[];
}

export interface SolveParameters extends SearchParameters {
  details?: boolean | null | undefined;
  score_steps?: boolean | null | undefined;
}

/** Hears how a step search goes. */
export interface SearchWatch {
  /** After each round. */
  onRound(round: RoundTold): void;
  /** What the solution begins with, whichever it will be: from its beginning, each time that it grows. */
  onSettled(tokens: readonly GeneratedToken[], steps: readonly StepScore[]): void;
}

/** Finds solutions, scores them where that is asked for or needed, and ranks them. Throws what the engine throws. */
export async function solve(
  deps: AppDeps,
  call: Call,
  options: GenerateOptions,
  parameters: SolveParameters & { watch?: SearchWatch | undefined },
): Promise<Solutions> {
  const found = await findSolutions(deps, call, options, parameters);
  const aggregation = parameters.aggregation ?? deps.settings.AGGREGATION;
  const ranking = parameters.rank_by ?? (parameters.search ? "score" : "logprob");
  const vote = parameters.vote ?? "none";
  if (needsScores({ ranking, vote })) await addScores(deps, call, found, { prompt: options.prompt, aggregation });
  const rankable = found.solutions.map(({ candidate, scores }) => ({
    text: candidate.text,
    logp: candidate.beamScore ?? candidate.tokenLogps.reduce((sum, logp) => sum + logp, 0),
    stepScores: scores?.steps.map(({ score }) => score),
  }));
  const { order, tally } = rankSolutions(rankable, { ranking, vote, aggregation });
  return { ...found, solutions: order.flatMap((at) => found.solutions[at] ?? []), tally };
}

/** Finds solutions, and scores them where that is asked for: candidates in the order of their rows, beams and searches best first. */
export async function findSolutions(
  deps: AppDeps,
  call: Call,
  options: GenerateOptions,
  parameters: SolveParameters & { watch?: SearchWatch | undefined },
): Promise<Found> {
  const found = await (parameters.search
    ? searchSteps(deps, call, options, parameters)
    : draw(deps, call, options, parameters));
  const aggregation = parameters.aggregation ?? deps.settings.AGGREGATION;
  if (parameters.score_steps === true) await addScores(deps, call, found, { prompt: options.prompt, aggregation });
  return found;
}

/** Scores solutions that have no scores yet. */
async function addScores(
  deps: AppDeps,
  call: Call,
  { solutions }: Pick<Found, "solutions">,
  { prompt, aggregation }: { prompt: string; aggregation: NonNullable<SolveParameters["aggregation"]> },
): Promise<void> {
  if (solutions.every(({ scores }) => scores !== undefined)) return;
  const texts = solutions.map(({ candidate }) => candidate.text);
  const scores = await scoreTexts(deps, call, { prompt, texts, aggregation });
  solutions.forEach((solution, at) => {
    const own = scores[at];
    if (own !== undefined) solution.scores = own;
  });
}

async function draw(
  deps: AppDeps,
  call: Call,
  options: GenerateOptions,
  { num_beams: beams, length_penalty: lengthPenalty, early_stopping: earlyStopping, details }: SolveParameters,
): Promise<Found> {
  const log = details === true ? createTokenLog() : undefined;
  const searched = (beams ?? 1) > 1 && {
    beams: { count: beams ?? 1, lengthPenalty: lengthPenalty ?? 1, earlyStopping: earlyStopping ?? false },
  };
  const generation = await deps.engine.generate({
    ...options,
    ...searched,
    signal: call.signal,
    onToken: log?.onToken,
    onUsed: meter(deps, call),
  });
  return {
    model: generation.model,
    promptTokens: generation.promptTokens,
    unknown: generation.unknown,
    completionTokens: generation.candidates.reduce((sum, { ids }) => sum + ids.length, 0),
    solutions: generation.candidates.map((candidate, row) => ({ candidate, tokens: log?.of(row) ?? [] })),
  };
}

/** A step search draws its steps: it samples at temperature 1 unless told otherwise. */
async function searchSteps(
  deps: AppDeps,
  call: Call,
  options: GenerateOptions,
  { search, aggregation, watch }: SolveParameters & { watch?: SearchWatch | undefined },
): Promise<Found> {
  if (search === undefined || search === null) throw new TypeError("no search is asked for");
  const rank = aggregation ?? deps.settings.AGGREGATION;
  const drawing = { ...options, sampling: { ...options.sampling, doSample: true } };
  const { solutions, ...rest } = await guidedSearch(deps, call, drawing, {
    kind: search.type,
    width: search.width,
    expand: search.expand,
    depth: search.depth,
    maxStepTokens: search.max_step_tokens,
    budgetTokens: search.budget_tokens,
    aggregation: rank,
    watch: watch && {
      onRound: watch.onRound,
      onSettled: (tokens, scores, text) => watch.onSettled(tokens, withScores(text, scores)),
    },
  });
  return {
    ...rest,
    solutions: solutions.map(({ candidate, tokens, stepScores }) => {
      const score = stepScores.length === 0 ? null : aggregateScores(stepScores, rank);
      return { candidate, tokens, scores: { score, steps: withScores(candidate.text, stepScores) } };
    }),
  };
}

function withScores(whole: string, scores: readonly number[]): StepScore[] {
  return splitSteps(whole).map(({ text }, index) => ({ index, text, score: scores[index] ?? Number.NaN }));
}
