// The solutions of one prompt that a request to OpenAI's endpoints is answered with: as many as it asks for, the likeliest of those that
// were drawn, or the best by the ranking, the vote or the search that it names.

import { joinUnknown } from "../../../shared/unknown-characters.ts";
import type { Candidate, GenerateOptions, Generation } from "../../engine/generate.ts";
import type { AppDeps } from "../../http/app-env.ts";
import type { Call } from "../../http/call.ts";
import { findSolutions, type SearchWatch, type Solutions, type Solved, solve } from "../../search/solve.ts";
import { anyUnknownTokens } from "../unknown-warning.ts";
import { type CommonBody, chooses, searchParametersOf } from "./schema.ts";

/** Finds and chooses; `details` lists the tokens. Throws what the engine throws. */
export async function choicesOf(
  deps: AppDeps,
  call: Call,
  options: GenerateOptions,
  asked: { body: CommonBody; details: boolean; watch?: SearchWatch | undefined },
): Promise<Solutions> {
  const { body, details, watch } = asked;
  const n = body.n ?? 1;
  const parameters = { ...searchParametersOf(body), details, watch };
  if (chooses(body)) {
    const solved = await solve(deps, call, options, parameters);
    return { ...solved, solutions: solved.solutions.slice(0, n) };
  }
  const found = await findSolutions(deps, call, options, parameters);
  return { ...found, solutions: likeliest(found.solutions, n), tally: [] };
}

/** What a choice tells beside OpenAI's own fields. */
export function scoresOf({ scores }: Pick<Solved, "scores">): object {
  return scores ?? {};
}

/** The `n` solutions with the highest log-probability a token, in the order of their rows where all are kept. */
function likeliest(solutions: readonly Solved[], n: number): Solved[] {
  if (n >= solutions.length) return [...solutions];
  const mean = ({ tokenLogps }: Candidate) => tokenLogps.reduce((sum, logp) => sum + logp, 0) / tokenLogps.length;
  return [...solutions].sort((a, b) => mean(b.candidate) - mean(a.candidate)).slice(0, n);
}

/** What a prompt took. */
export type Used = Pick<Solutions, "promptTokens" | "completionTokens" | "unknown">;

/** The same of texts that were drawn. */
export function usedBy({ promptTokens, unknown, candidates }: Generation): Used {
  return { promptTokens, unknown, completionTokens: candidates.reduce((sum, { ids }) => sum + ids.length, 0) };
}

/** Tokens of several prompts together. */
export function usageOfAll(found: readonly Used[]) {
  const prompt_tokens = found.reduce((sum, { promptTokens }) => sum + promptTokens, 0);
  const completion_tokens = found.reduce((sum, { completionTokens }) => sum + completionTokens, 0);
  const unknown = joinUnknown(found.map((one) => one.unknown));
  return {
    prompt_tokens,
    completion_tokens,
    total_tokens: prompt_tokens + completion_tokens,
    ...anyUnknownTokens(unknown),
  };
}

/** The vote of one prompt's solutions, where there was one. */
export function votesOf({ tally }: Pick<Solutions, "tally">): object {
  return tally.length === 0 ? {} : { votes: tally };
}
