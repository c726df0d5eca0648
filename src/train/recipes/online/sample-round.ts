// The samples of a round: chunk after chunk of problems, scored, each on disk before the next begins. A stopped round goes on with the
// first chunk that is not whole, and draws what it would have drawn.

import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Aggregation } from "../../../shared/aggregate.ts";
import { ArtifactError } from "../../../shared/errors.ts";
import { writeText } from "../../io/write-text.ts";
import { openOnnxGenerator } from "../../onnx/decode/onnx-generate.ts";
import { rewardModelKey } from "../../reward/reward-model.ts";
import { loadScorer, type Scorer, scoringProcesses } from "../../reward/scoring/scoring-processes.ts";
import { hashModel } from "../../store/hash.ts";
import { loadConfig } from "../../store/model-config.ts";
import { loadTokenizer } from "../../store/model-folder.ts";
import { branchRollouts } from "../rollout/branches.ts";
import { checkerReward } from "../rollout/checker-reward.ts";
import { openRolloutJournal } from "../rollout/journal.ts";
import { type Rollout, type RolloutProblem, rolloutSchema } from "../rollout/rollout.ts";
import { type Policy, sampleRollouts } from "../rollout/sample-rollouts.ts";
import { checkScorerName, scoreRollouts } from "../rollout/score-rollouts.ts";
import { searchRollouts } from "../rollout/search-rollouts.ts";
import { maySample, type Spent, spentOn } from "./budget.ts";
import type { OnlineSettings } from "./settings.ts";

export interface RoundOfSamples {
  /** Folder of the current policy. */
  modelDir: string;
  rewardModelDir: string | undefined;
  problems: readonly RolloutProblem[];
  settings: OnlineSettings;
  aggregation: Aggregation;
  seed: number;
  round: number;
  /** What earlier rounds have used. */
  spent: Spent;
  /** Where rollouts.jsonl goes. */
  outputDir: string;
  /** Samples of equal rounds are kept here by what they follow from, and taken from here. */
  sharedDir?: string | undefined;
  signal?: AbortSignal | undefined;
  onProgress?: ((done: number, total: number) => void) | undefined;
}

/** Samples of a finished round, in its folder. */
export const ROLLOUTS_FILE = "rollouts.jsonl";
const PARTIAL_FILE = "rollouts.partial.jsonl";
/** Problems between two writes to disk, and between two looks at the budget: a search writes fewer tokens a problem than samples are. */
const CHUNKS = { none: 64, "step-beam": 64, "step-retry": 128 } as const;

/** Samples, scores and keeps a round; one that is there already is read. Throws what sampling throws. */
export async function sampleRound(round: RoundOfSamples): Promise<Rollout[]> {
  const file = join(round.outputDir, ROLLOUTS_FILE);
  if (existsSync(file)) return readRollouts(file);
  checkScorerName(round.settings.scorer, round.problems);
  const identity = await identityOf(round);
  const key = createHash("sha256").update(JSON.stringify(identity)).digest("hex");
  const shared = round.sharedDir === undefined ? undefined : join(round.sharedDir, `${key.slice(0, 32)}.jsonl`);
  const taken = shared === undefined || !existsSync(shared) ? undefined : await takeShared(shared, round);
  if (shared !== undefined && taken !== undefined) {
    await writeText(file, await readFile(shared, "utf8"));
    return taken;
  }
  const journal = await openRolloutJournal(join(round.outputDir, PARTIAL_FILE), identity, {
    resume: true,
    overwrite: false,
  });
  const rollouts = await rollChunks(round, journal);
  await writeText(file, linesOf(rollouts));
  if (shared !== undefined && isWhole(rollouts, round)) await writeText(shared, linesOf(rollouts));
  await journal.remove();
  return rollouts;
}

function linesOf(rollouts: readonly Rollout[]): string {
  return rollouts.map((rollout) => `${JSON.stringify(rollout)}\n`).join("");
}

/** Samples of a finished round. Throws ArtifactError for a line that is none. */
export async function readRollouts(file: string): Promise<Rollout[]> {
  const lines = (await readFile(file, "utf8")).split("\n").filter((line) => line !== "");
  return lines.map((line, i) => {
    try {
      return rolloutSchema.parse(JSON.parse(line));
    } catch (cause) {
      throw new ArtifactError({
        code: "bad_rollouts",
        what: "the line is cut or no rollout",
        where: `${file}, line ${i + 1}`,
        fix: "Delete the file and resume: the round is sampled again.",
        cause,
      });
    }
  });
}

/** The samples that another run shares, where they are whole; undefined has them drawn again. */
async function takeShared(file: string, round: RoundOfSamples): Promise<Rollout[] | undefined> {
  try {
    const rollouts = await readRollouts(file);
    return isWhole(rollouts, round) ? rollouts : undefined;
  } catch (error) {
    if (error instanceof ArtifactError) return undefined;
    throw error;
  }
}

/** Whether these are all samples of the round: of every problem, or of as many as its budget allows, which the clock must not say. */
function isWhole(rollouts: readonly Rollout[], round: RoundOfSamples): boolean {
  const { problems, settings, spent } = round;
  if (rollouts.some(({ prompt }, i) => prompt !== problems[i]?.prompt)) return false;
  if (rollouts.length === problems.length) return true;
  const own = spentOn(rollouts);
  const after = { samples: spent.samples + own.samples, tokens: spent.tokens + own.tokens, seconds: 0 };
  return settings.budgetMinutes === null && !maySample(settings, after, round.round);
}

type Journal = Awaited<ReturnType<typeof openRolloutJournal>>;

async function rollChunks(round: RoundOfSamples, journal: Journal): Promise<Rollout[]> {
  const { problems, settings, modelDir, rewardModelDir, aggregation } = round;
  const generator = await openOnnxGenerator(modelDir);
  const asks = settings.scorer === "judge" || settings.scorer === "both";
  const rewardModel =
    asks && rewardModelDir !== undefined
      ? await loadScorer(rewardModelDir, scoringProcesses(problems.length * settings.samples), { aggregation })
      : checkerReward(problems);
  const rollouts: Rollout[] = [];
  const began = performance.now();
  const spent = (): Spent => {
    const own = spentOn(rollouts);
    const { samples, tokens, seconds } = round.spent;
    const elapsed = (performance.now() - began) / 1000;
    return { samples: samples + own.samples, tokens: tokens + own.tokens, seconds: seconds + elapsed };
  };
  try {
    const tokenizer = await loadTokenizer(modelDir, await loadConfig(modelDir));
    const chunk = CHUNKS[settings.search];
    for (let start = 0; start < problems.length; start += chunk) {
      const indices = problems.slice(start, start + chunk).map((_, i) => start + i);
      const kept = indices.flatMap((i) => journal.finished.get(i) ?? []);
      if (kept.length === indices.length) rollouts.push(...kept);
      else {
        if (!maySample(settings, spent(), round.round)) break;
        const done = await rollChunk({ generator, tokenizer }, round, { indices, rewardModel });
        await journal.append(done.map((rollout, i) => [indices[i] ?? 0, rollout] as const));
        rollouts.push(...done);
      }
      round.onProgress?.(rollouts.length, problems.length);
    }
    return rollouts;
  } finally {
    rewardModel.dispose();
    await generator.dispose();
  }
}

async function rollChunk(
  policy: Policy,
  round: RoundOfSamples,
  chunk: { indices: readonly number[]; rewardModel: Scorer },
): Promise<Rollout[]> {
  const { settings, aggregation, seed, signal } = round;
  const { samples, scorer, learnFrom, resample, search, searchExpand: expand, searchThreshold: threshold } = settings;
  const { indices, rewardModel } = chunk;
  const problems = indices.flatMap((i) => round.problems[i] ?? []);
  const sampling = { doSample: true, temperature: settings.temperature, topK: 0, topP: 1 };
  const shared = { sampling, maxNewTokens: settings.maxNewTokens, seed, streams: indices, signal };
  const sampled =
    search === "none"
      ? await sampleRollouts(policy, problems, { ...shared, samples })
      : await searchRollouts(policy, problems, rewardModel, { ...shared, search, samples, expand, threshold });
  const rollouts = await scoreRollouts(sampled, { scorer, aggregation, rewardModel });
  const branches = (learnFrom === "step" || learnFrom === "right-steps") && resample > 0;
  return branches ? branchRollouts(policy, rollouts, { ...shared, samples: resample, scorer, rewardModel }) : rollouts;
}

/** Everything that decides what a round samples and how it is scored. */
async function identityOf(round: RoundOfSamples): Promise<Record<string, string | number | boolean | null>> {
  const { settings, aggregation, seed, rewardModelDir, problems } = round;
  const { scorer, learnFrom } = settings;
  const asks = (scorer === "judge" || scorer === "both") && rewardModelDir !== undefined;
  const hasBudget = settings.budgetSamples !== null || settings.budgetTokens !== null;
  return {
    model_sha256: await hashModel(round.modelDir),
    reward_model: asks ? await rewardModelKey(rewardModelDir) : null,
    problems_sha256: createHash("sha256").update(JSON.stringify(problems)).digest("hex"),
    samples: settings.samples,
    seed,
    temperature: settings.temperature,
    max_new_tokens: settings.maxNewTokens,
    search: settings.search,
    search_expand: settings.search === "none" ? 0 : settings.searchExpand,
    search_threshold: settings.search === "step-retry" ? settings.searchThreshold : 0,
    scorer,
    aggregation,
    resample: learnFrom === "step" || learnFrom === "right-steps" ? settings.resample : 0,
    budget: hasBudget
      ? JSON.stringify([
          settings.budgetSamples,
          settings.budgetTokens,
          settings.rounds,
          round.round,
          round.spent.samples,
          round.spent.tokens,
        ])
      : null,
  };
}
