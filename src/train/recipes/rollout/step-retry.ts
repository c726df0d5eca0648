// Rejection sampling of single steps: a solution that goes wrong is cut before its first step that scores badly, that step is written again
// until it scores well, and the solution goes on from there. What is right is never written twice, so that a solution costs little more than
// its own tokens, and a hard step gets many tries. Where none of them scores well the solution stays unfinished.

import { NEXT_STEP } from "../../../shared/process-reward.ts";
import { policyPrompt } from "../../../shared/prompts.ts";
import { splitSteps } from "../../../shared/steps.ts";
import { scoresInOrder } from "../../reward/scoring/score-all.ts";
import type { Scorer } from "../../reward/scoring/scoring-processes.ts";
import { checkSample, normaliseSteps } from "./check-sample.ts";
import { startStream } from "./continuations.ts";
import { newlineTokenId, prefixIds } from "./prefix-ids.ts";
import type { Rollout, RolloutProblem } from "./rollout.ts";
import type { Policy, SampleOptions } from "./sample-rollouts.ts";

export interface StepRetryOptions extends SampleOptions {
  /** Most tries of a step. They are written in groups of 1, 2, 4, ..., each only where those before it failed. */
  tries: number;
  /** A step that scores below it is written again, in [0, 1]. */
  threshold: number;
}

/** One solution on its way. */
interface Chain {
  problem: number;
  /** Steps that scored well, one a line. */
  prefix: string;
  /** Tries of the step after `prefix`. */
  tried: number;
  finished: boolean;
  /** Written so far, what was cut away included. */
  tokens: number;
  /** Of its next ask's random numbers. */
  stream: number;
}

/** A continuation, up to its first step that scores badly. */
interface Kept {
  prefix: string;
  steps: number;
  finished: boolean;
  /** Of its last step. */
  score: number;
}

/** Streams of one chain: more than a solution of 128 tokens can have steps and groups of tries. */
const STREAMS = 256;

/** Rollouts without scores, in the order of the problems: `samples` solutions of each, those left out whose first step found no good try. */
export async function retryRollouts(
  policy: Policy,
  problems: readonly RolloutProblem[],
  rewardModel: Scorer,
  options: StepRetryOptions,
): Promise<Rollout[]> {
  const { samples, tries, streams, threshold } = options;
  const chains = problems.flatMap((_, problem) =>
    Array.from({ length: samples }, (_, sample): Chain => {
      const stream = startStream(streams?.[problem] ?? problem, sample * STREAMS);
      return { problem, prefix: "", tried: 0, finished: false, tokens: 0, stream };
    }),
  );
  const promptIds = problems.map(({ prompt }) => policy.tokenizer.encode(policyPrompt(prompt)));
  for (;;) {
    const open = chains.filter(({ finished, tried }) => !finished && tried < tries);
    if (open.length === 0) break;
    const countOf = ({ tried }: Chain): number => Math.min(tried + 1, tries - tried);
    for (const count of new Set(open.map(countOf))) {
      const group = open.filter((chain) => countOf(chain) === count);
      const written = await continueChains(policy, group, { promptIds, count, options });
      const kept = await keepGoodSteps(group, written, { problems, rewardModel, threshold });
      group.forEach((chain, i) => {
        advance(chain, kept[i] ?? [], count);
      });
    }
  }
  return problems.map((problem, p) => {
    const own = chains.filter((chain) => chain.problem === p);
    return rolloutOf(policy, problem, own);
  });
}

interface Written {
  text: string;
  finished: boolean;
}

/**
 * `count` continuations of each chain, its prefix not repeated; counts their tokens. The first try goes on to the end of the solution, a
 * later one to the end of its step.
 */
async function continueChains(
  { generator, tokenizer }: Policy,
  chains: readonly Chain[],
  run: { promptIds: readonly number[][]; count: number; options: StepRetryOptions },
): Promise<Written[][]> {
  const { maxNewTokens, sampling, seed, batchSize, signal } = run.options;
  const newline = newlineTokenId(tokenizer);
  const isRetry = chains.some(({ tried }) => tried > 0);
  const rows = await generator.generate(
    chains.map(({ problem }) => run.promptIds[problem] ?? []),
    {
      samples: run.count,
      maxNewTokens,
      sampling,
      seed,
      prefixes: chains.map(({ prefix }) => prefixIds(tokenizer, prefix)),
      streams: chains.map((chain) => chain.stream++),
      ...(isRetry && newline !== undefined && { stopTokenIds: [newline] }),
      ...(batchSize !== undefined && { batchSize }),
      ...(signal !== undefined && { signal }),
    },
  );
  return chains.map((chain, i) =>
    (rows[i] ?? []).map((ids) => {
      chain.tokens += ids.length;
      return { text: tokenizer.decode(ids), finished: ids.at(-1) === generator.config.eosTokenId };
    }),
  );
}

/** What of each continuation scores well, all scored in one go. */
async function keepGoodSteps(
  chains: readonly Chain[],
  written: readonly Written[][],
  by: { problems: readonly RolloutProblem[]; rewardModel: Scorer; threshold: number },
): Promise<Kept[][]> {
  const asked = chains.flatMap(({ problem, prefix }, i) =>
    (written[i] ?? []).map(({ text, finished }) => {
      const completion = normaliseSteps(prefix === "" ? text : `${prefix}\n${text}`);
      const isCut = !finished && !text.endsWith("\n");
      return { chain: i, prompt: by.problems[problem]?.prompt ?? "", completion, finished, isCut };
    }),
  );
  const keyOf = (one: (typeof asked)[number]): string => `${one.chain} ${one.finished} ${one.completion}`;
  const texts = [...new Map(asked.map((one) => [keyOf(one), one])).values()];
  const withSteps = texts.filter(({ completion }) => completion !== "");
  // a process reward model tells the last step so far from the last of a whole solution
  const asBegun = ({ finished }: { finished: boolean }): string =>
    !finished && by.rewardModel.isProcess ? `\n${NEXT_STEP.text}` : "";
  const scored = await scoresInOrder(
    by.rewardModel,
    withSteps.map((one) => ({ prompt: one.prompt, completion: one.completion + asBegun(one) })),
  );
  const scoresOf = new Map(withSteps.map((one, i) => [keyOf(one), scored[i]?.stepScores ?? []]));
  const kept = chains.map((): Kept[] => []);
  for (const one of asked) {
    const { chain, completion, finished, isCut } = one;
    const steps = splitSteps(completion).map(({ text }) => text);
    const scores = scoresOf.get(keyOf(one)) ?? [];
    const bad = steps.findIndex((_, k) => !((scores[k] ?? 0) >= by.threshold));
    const good = bad < 0 ? steps.length : bad;
    const whole = finished && bad < 0 && steps.length > 0;
    // a step that the longest length cut off is none
    const last = bad < 0 && isCut ? good - 1 : good;
    kept[chain]?.push({
      prefix: steps.slice(0, last).join("\n"),
      steps: last,
      finished: whole,
      score: scores[last - 1] ?? 0,
    });
  }
  return kept;
}

/** Takes the continuation that goes furthest, of equals the one whose last step scores best; or counts the tries where none adds a step. */
function advance(chain: Chain, kept: readonly Kept[], count: number): void {
  const steps = chain.prefix === "" ? 0 : chain.prefix.split("\n").length;
  const [best] = [...kept].sort(
    (a, b) => Number(b.finished) - Number(a.finished) || b.steps - a.steps || b.score - a.score,
  );
  if (best !== undefined && (best.finished || best.steps > steps)) {
    chain.prefix = best.prefix;
    chain.finished = best.finished;
    chain.tried = 0;
  } else chain.tried += count;
}

function rolloutOf({ tokenizer }: Policy, problem: RolloutProblem, chains: readonly Chain[]): Rollout {
  const samples = chains.flatMap(({ prefix, finished }) => {
    if (prefix === "") return [];
    const tokens = tokenizer.encode(prefix).length;
    return [{ completion: prefix, step_scores: [], ...checkSample(problem, prefix), score: 0, finished, tokens }];
  });
  const written = chains.reduce((sum, { tokens }) => sum + tokens, 0);
  return {
    prompt: problem.prompt,
    ...(problem.gold !== undefined && { gold: problem.gold }),
    ...(problem.answer !== undefined && { answer: problem.answer }),
    samples,
    extra_tokens: Math.max(0, written - samples.reduce((sum, { tokens }) => sum + tokens, 0)),
  };
}
