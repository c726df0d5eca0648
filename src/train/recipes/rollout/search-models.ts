// The policy and the reward model as step searches ask for them: next steps of all searches in one call of the decoder, scores of all
// prefixes in one call of the reward model.

import { InputError } from "../../../shared/errors.ts";
import { NEXT_STEP } from "../../../shared/process-reward.ts";
import { policyPrompt } from "../../../shared/prompts.ts";
import type { SamplingOptions } from "../../../shared/sampling.ts";
import type { Continuation, ScoreAsk, SearchModels } from "../../../shared/search/run-searches.ts";
import type { Ask } from "../../../shared/search/step-search.ts";
import { scoresInOrder } from "../../reward/scoring/score-all.ts";
import type { Scorer } from "../../reward/scoring/scoring-processes.ts";
import { startStream } from "./continuations.ts";
import { newlineTokenId, prefixIds } from "./prefix-ids.ts";
import type { Policy } from "./sample-rollouts.ts";

export interface SearchModelOptions {
  /** The question of each search. */
  prompts: readonly string[];
  sampling: SamplingOptions;
  seed: number;
  /** Number of each problem's random stream; default its index. */
  streams?: readonly number[] | undefined;
  signal?: AbortSignal | undefined;
}

type Asked = Ask & { problem: number };

/**
 * Models of searches over `prompts`. The decoder tells no log-probs, so that these are 0, and equal scores stay in the order of drawing.
 * Throws InputError for a tokenizer without a newline.
 */
export function searchModels(policy: Policy, rewardModel: Scorer, options: SearchModelOptions): SearchModels {
  const { generator, tokenizer } = policy;
  const { prompts, sampling, seed, streams: ofProblem, signal } = options;
  const newline = newlineTokenId(tokenizer);
  if (newline === undefined) {
    const fix = "Use the tokenizer files that training or export wrote, which have one.";
    throw new InputError({
      code: "bad_tokenizer",
      what: "the tokenizer has no newline token, so steps have no ends",
      fix,
    });
  }
  // one array a problem: its rows share an encoder pass
  const promptIds = prompts.map((prompt) => tokenizer.encode(policyPrompt(prompt)));
  const idsOfPrefix = (prefix: string): number[] =>
    prefix.endsWith("\n") ? prefixIds(tokenizer, prefix.slice(0, -1)) : tokenizer.encode(prefix).slice(0, -1);
  const continuation = (ids: readonly number[]): Continuation => ({
    text: tokenizer.decode(ids),
    tokens: ids.length,
    logp: 0,
    finished: ids.at(-1) === generator.config.eosTokenId,
  });
  return {
    async write(asks) {
      const written: Continuation[][] = asks.map(() => []);
      for (const [key, group] of groupBy(asks, ({ count, maxNewTokens }) => `${count} ${maxNewTokens}`)) {
        const [samples = 1, maxNewTokens = 1] = key.split(" ").map(Number);
        const rows = await generator.generate(
          group.map(({ ask }) => promptIds[ask.problem] ?? []),
          {
            samples,
            maxNewTokens,
            sampling,
            seed,
            prefixes: group.map(({ ask }) => idsOfPrefix(ask.prefix)),
            streams: group.map(({ ask }) => startStream(ofProblem?.[ask.problem] ?? ask.problem, ask.stream)),
            stopTokenIds: [newline],
            ...(signal !== undefined && { signal }),
          },
        );
        group.forEach(({ at }, row) => {
          written[at] = (rows[row] ?? []).map(continuation);
        });
      }
      return written;
    },
    async score(texts) {
      const isBegun = ({ finished }: ScoreAsk): boolean => !finished && rewardModel.isProcess;
      const completions = texts.map((ask) => ({
        prompt: prompts[ask.problem] ?? "",
        completion: isBegun(ask) ? `${ask.text.trimEnd()}\n${NEXT_STEP.text}` : ask.text,
      }));
      const scored = await scoresInOrder(rewardModel, completions);
      return scored.map(({ stepScores }, at) => {
        const ask = texts[at];
        return ask !== undefined && isBegun(ask) ? stepScores.slice(0, -1) : stepScores;
      });
    },
  };
}

function groupBy(asks: readonly Asked[], keyOf: (ask: Asked) => string): Map<string, { ask: Asked; at: number }[]> {
  const groups = new Map<string, { ask: Asked; at: number }[]>();
  asks.forEach((ask, at) => {
    const group = groups.get(keyOf(ask)) ?? [];
    group.push({ ask, at });
    groups.set(keyOf(ask), group);
  });
  return groups;
}
