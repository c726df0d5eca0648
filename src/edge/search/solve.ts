// One request's solutions, found in the way that it asks for, the one to answer with first.

import { aggregateScores } from "../../shared/aggregate.ts";
import { rankSolutions, type Tally } from "../../shared/search/rank.ts";
import { splitSteps } from "../../shared/steps.ts";
import type { Candidate, GeneratedToken, GenerateOptions } from "../engine/generate.ts";
import type { AppDeps } from "../http/app-env.ts";
import type { Call } from "../http/call.ts";
import { meter } from "../http/meter.ts";
import { type StepScore, scoreTexts } from "../routes/step-scores.ts";
import { createTokenLog } from "../routes/tokens.ts";
import { guidedSearch } from "./guided.ts";
import type { SearchParameters } from "./parameters.ts";

export interface Solved {
  candidate: Candidate;
  /** Empty unless asked for. */
  tokens: readonly GeneratedToken[];
  /** Where steps were scored. */
  scores?: { score: number | null; steps: StepScore[] };
}

export interface Solutions {
  /** The policy's name. */
  model: string;
  promptTokens: number;
  completionTokens: number;
  /** Best first. */
  solutions: Solved[];
  /** The vote's answers, the winner first; empty without a vote. */
  tally: Tally[];
  /** Rounds of a step search. */
  rounds?: number;
}

export interface SolveParameters extends SearchParameters {
  details?: boolean | null | undefined;
  score_steps?: boolean | null | undefined;
}

/** Finds solutions, scores them where that is asked for or needed, and ranks them. Throws what the engine throws. */
export async function solve(
  deps: AppDeps,
  call: Call,
  options: GenerateOptions,
  parameters: SolveParameters,
): Promise<Solutions> {
  const found = await (parameters.search
    ? searchSteps(deps, call, options, parameters)
    : draw(deps, call, options, parameters));
  const { promptTokens, completionTokens } = found;
  meter(deps, call, { promptTokens, completionTokens });
  const aggregation = parameters.aggregation ?? deps.settings.AGGREGATION;
  const ranking = parameters.rank_by ?? (parameters.search ? "score" : "logprob");
  const vote = parameters.vote ?? "none";
  const isScored = ranking === "score" || vote === "weighted" || parameters.score_steps === true;
  const unscored = found.solutions.filter(({ scores }) => scores === undefined);
  if (isScored && unscored.length > 0) {
    const texts = found.solutions.map(({ candidate }) => candidate.text);
    const scores = await scoreTexts(deps, call, options.prompt, texts, aggregation);
    found.solutions.forEach((solution, at) => {
      const own = scores[at];
      if (own !== undefined) solution.scores = own;
    });
  }
  const rankable = found.solutions.map(({ candidate, scores }) => ({
    text: candidate.text,
    logp: candidate.beamScore ?? candidate.tokenLogps.reduce((sum, logp) => sum + logp, 0),
    stepScores: scores?.steps.map(({ score }) => score),
  }));
  const { order, tally } = rankSolutions(rankable, { ranking, vote, aggregation });
  return { ...found, solutions: order.flatMap((at) => found.solutions[at] ?? []), tally };
}

type Found = Omit<Solutions, "tally">;

async function draw(
  { engine }: AppDeps,
  call: Call,
  options: GenerateOptions,
  { num_beams: beams, length_penalty: lengthPenalty, early_stopping: earlyStopping, details }: SolveParameters,
): Promise<Found> {
  const log = details === true ? createTokenLog() : undefined;
  const searched = (beams ?? 1) > 1 && {
    beams: { count: beams ?? 1, lengthPenalty: lengthPenalty ?? 1, earlyStopping: earlyStopping ?? false },
  };
  const generation = await engine.generate({ ...options, ...searched, signal: call.signal, onToken: log?.onToken });
  return {
    model: generation.model,
    promptTokens: generation.promptTokens,
    completionTokens: generation.candidates.reduce((sum, { ids }) => sum + ids.length, 0),
    solutions: generation.candidates.map((candidate, row) => ({ candidate, tokens: log?.of(row) ?? [] })),
  };
}

async function searchSteps(
  deps: AppDeps,
  call: Call,
  options: GenerateOptions,
  { search, aggregation }: SolveParameters,
): Promise<Found> {
  if (search === undefined || search === null) throw new TypeError("no search is asked for");
  const rank = aggregation ?? deps.settings.AGGREGATION;
  const { solutions, ...rest } = await guidedSearch(deps, call, options, {
    kind: search.type,
    width: search.width,
    expand: search.expand,
    depth: search.depth,
    maxStepTokens: search.max_step_tokens,
    budgetTokens: search.budget_tokens,
    aggregation: rank,
  });
  return {
    ...rest,
    solutions: solutions.map(({ candidate, tokens, stepScores }) => {
      const steps = splitSteps(candidate.text).map(({ text }, index) => ({
        index,
        text,
        score: stepScores[index] ?? Number.NaN,
      }));
      const score = stepScores.length === 0 ? null : aggregateScores(stepScores, rank);
      return { candidate, tokens, scores: { score, steps } };
    }),
  };
}
