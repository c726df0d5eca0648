// Rollouts of the model that ships, end to end: what lies in the folder, and that stopping, resuming and batches change nothing.

import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { labelsOf } from "../../../../src/train/data/arithmetic/checker.ts";
import { problemSplit } from "../../../../src/train/data/arithmetic/split.ts";
import { readPairs } from "../../../../src/train/data/pairs/read-pairs.ts";
import { openOnnxGenerator } from "../../../../src/train/onnx/decode/onnx-generate.ts";
import { wordsOfRollout } from "../../../../src/train/recipes/rollout/journal.ts";
import { monteCarloLabels } from "../../../../src/train/recipes/rollout/monte-carlo.ts";
import { newlineTokenId, prefixIds } from "../../../../src/train/recipes/rollout/prefix-ids.ts";
import { drawProblems } from "../../../../src/train/recipes/rollout/problems.ts";
import { type Rollout, rolloutSchema } from "../../../../src/train/recipes/rollout/rollout.ts";
import { PARTIAL_FILE, type RolloutOptions, runRollout } from "../../../../src/train/recipes/rollout/run.ts";
import { type Policy, sampleRollouts } from "../../../../src/train/recipes/rollout/sample-rollouts.ts";
import { scoreRollouts } from "../../../../src/train/recipes/rollout/score-rollouts.ts";
import { scorerOf } from "../../../../src/train/reward/scoring/scoring-processes.ts";
import { loadTokenizer } from "../../../../src/train/store/model-folder.ts";
import { startTensorflow } from "../../../../src/train/tensorflow/tensorflow.ts";

const modelDir = fileURLToPath(new URL("../../../../data/models/stepwise-t5-nano", import.meta.url));
let dir = "";
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "rollout-"));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

const options = (name: string, changes: Partial<RolloutOptions> = {}): RolloutOptions => ({
  modelDir,
  scorer: "checker",
  aggregation: "mean",
  data: "preference",
  problems: 6,
  samples: 3,
  sampling: { doSample: true, temperature: 1.2, topK: 0, topP: 1 },
  maxNewTokens: 96,
  pairs: ["best-worst", "right-wrong", "step"],
  maxPairsPerProblem: 3,
  requireRight: false,
  pairScores: true,
  resample: 2,
  monteCarlo: 0,
  labels: "checker",
  evalFraction: 0.3,
  seed: 5,
  outputDir: join(dir, name),
  batchSize: 64,
  processes: 1,
  resume: false,
  overwrite: false,
  ...changes,
});

const lines = async (name: string, file: string): Promise<unknown[]> =>
  (await readFile(join(dir, name, file), "utf8"))
    .split("\n")
    .filter(Boolean)
    .map((line): unknown => JSON.parse(line));

test("without pair scores, the same pairs are written, and the reward model of the training run is left to score them", async () => {
  await runRollout(options("scored"));
  await runRollout(options("unscored", { pairScores: false }));
  const scored = [...(await lines("scored", "train.jsonl")), ...(await lines("scored", "eval.jsonl"))];
  const unscored = [...(await lines("unscored", "train.jsonl")), ...(await lines("unscored", "eval.jsonl"))];
  expect(scored.length).toBeGreaterThan(0);
  for (const pair of scored) expect(pair).toHaveProperty("chosen_score");
  expect(unscored).toEqual(
    scored.map((pair) => {
      const entries = Object.entries(pair as Record<string, unknown>);
      return Object.fromEntries(entries.filter(([name]) => !/_scores?$/.test(name)));
    }),
  );
});

describe("a rollout", () => {
  beforeAll(() => runRollout(options("straight")));

  test("writes its five files and leaves no journal", async () => {
    const files = ["eval.jsonl", "rollout_report.json", "rollouts.jsonl", "steps.jsonl", "train.jsonl"];
    expect((await readdir(join(dir, "straight"))).sort()).toEqual(files);
  });

  test("samples the preference split, and every label and score is the checker's", async () => {
    const rollouts = (await lines("straight", "rollouts.jsonl")).map((line) => rolloutSchema.parse(line));
    expect(rollouts).toHaveLength(6);
    for (const { prompt, gold = "", samples } of rollouts) {
      expect(problemSplit(prompt)).toBe("preference");
      expect(samples).toHaveLength(3);
      for (const { completion, step_labels, step_scores } of samples) {
        expect(step_labels).toEqual(labelsOf(gold, completion));
        expect(step_scores).toEqual(step_labels?.map(Number));
      }
    }
  });

  test("makes pairs that training reads, all of them", async () => {
    const report: { pairs: { train: number; eval: number } } = JSON.parse(
      await readFile(join(dir, "straight", "rollout_report.json"), "utf8"),
    );
    const train = await readPairs(join(dir, "straight", "train.jsonl"));
    expect(train.dropped).toEqual([]);
    expect(train.pairs).toHaveLength(report.pairs.train);
    expect(await lines("straight", "eval.jsonl")).toHaveLength(report.pairs.eval);
  });

  test("stopped after a batch and resumed, it ends as if it had run through", async () => {
    const controller = new AbortController();
    const stopped = options("stopped", {
      problemsABatch: 2,
      signal: controller.signal,
      onProgress: (done) => done >= 2 && controller.abort(),
    });
    await expect(runRollout(stopped)).rejects.toThrow(/stopped with 2 of 6 problems.*--resume/);
    await expect(runRollout(options("stopped"))).rejects.toThrow("--overwrite");
    // a kill in the middle of a line
    const partial = join(dir, "stopped", PARTIAL_FILE);
    await writeFile(partial, '{"index":2,"roll', { flag: "a" });
    const report = await runRollout(options("stopped", { resume: true }));
    expect(report.resumed).toBe(2);
    for (const file of ["rollouts.jsonl", "train.jsonl", "eval.jsonl", "steps.jsonl"]) {
      expect(await lines("stopped", file)).toEqual(await lines("straight", file));
    }
  });

  test("finished, it is not resumed but says so", async () => {
    await expect(runRollout(options("straight", { resume: true }))).rejects.toMatchObject({ code: "run_finished" });
  });

  test("is not resumed with other settings, and keeps the words that began it", async () => {
    const signal = AbortSignal.abort();
    const words = ["--problems", "6", "--pairs=all"];
    await expect(runRollout(options("other", { signal, words }))).rejects.toThrow("stopped with 0 of 6");
    const partial = join(dir, "other", PARTIAL_FILE);
    expect(await wordsOfRollout(partial)).toEqual(words);
    expect(await wordsOfRollout(join(dir, "nowhere", PARTIAL_FILE))).toBeUndefined();
    await expect(runRollout(options("other", { resume: true, seed: 6 }))).rejects.toThrow("had seed 5, not 6");
  });

  test.each([
    [{ problems: 0 }, /cannot solve 0 problems.*at least 1/],
    [{ samples: 1 }, /1 samples a problem cannot make a pair.*at least 2/],
    [{ samples: 0 }, /0 samples a problem cannot make a pair/],
    [{ scorer: "judge" as const }, /needs a reward model.*--reward-model/],
    [{ labels: "soft" as const }, /Monte Carlo.*--monte-carlo/],
    [{ data: "no/such.jsonl" }, /no such file.*no\/such\.jsonl/],
  ])("refuses %o and says what to change", async (changes, message) => {
    await expect(runRollout(options("refused", changes))).rejects.toThrow(message);
  });
});

describe("a policy", () => {
  let policy: Policy;
  const greedy = { sampling: { doSample: false, temperature: 1, topK: 0, topP: 1 }, maxNewTokens: 112, seed: 1 };
  beforeAll(async () => {
    const generator = await openOnnxGenerator(modelDir, { processes: 1 });
    policy = { generator, tokenizer: await loadTokenizer(modelDir, generator.config) };
  });
  afterAll(() => policy.generator.dispose());

  test("continues its own greedy solutions to their own end: Monte Carlo labels are all 1 or all 0", async () => {
    const rollouts = await sampleRollouts(policy, drawProblems(5, 9), { ...greedy, samples: 1 });
    const labelled = await monteCarloLabels(policy, rollouts, { ...greedy, continuations: 1 });
    for (const { samples } of labelled) {
      for (const { completion, answer_correct, soft_labels } of samples) {
        expect(soft_labels).toEqual(completion.split("\n").map(() => Number(answer_correct)));
      }
    }
  });

  test("begins a prefix with the tokens of the whole solution", () => {
    const { tokenizer } = policy;
    const whole = tokenizer.encode("Tom has 3 + 4 = 7 pens.\nA: 7");
    const prefix = prefixIds(tokenizer, "Tom has 3 + 4 = 7 pens.");
    expect(prefix).toEqual(whole.slice(0, prefix.length));
    expect(tokenizer.decode(prefix)).toBe("Tom has 3 + 4 = 7 pens.\n");
    expect(newlineTokenId(tokenizer)).toBe(prefix.at(-1));
    expect(prefixIds(tokenizer, "")).toEqual([]);
  });

  test("is scored by a reward model, each sample's steps in place; an empty sample scores 0", async () => {
    await startTensorflow();
    const { loadRewardModel } = await import("../../../../src/train/reward/reward-model.ts");
    const rewardModel = await loadRewardModel(modelDir);
    const [sampled] = await sampleRollouts(policy, drawProblems(1, 9), { ...greedy, samples: 1 });
    const [first] = sampled?.samples ?? [];
    if (sampled === undefined || first === undefined) throw new Error("no sample");
    const empty = { ...first, completion: "", step_labels: [] };
    const other = { ...first, completion: "Tom has 3 + 4 = 8 pens." };
    const rollout: Rollout = { ...sampled, samples: [first, empty, other] };
    const [scored] = await scoreRollouts([rollout], {
      scorer: "judge",
      aggregation: "mean",
      rewardModel: scorerOf(rewardModel),
    });
    const expected = [first, other].map(({ completion }) =>
      rewardModel.score([{ prompt: sampled.prompt, completion }]).map(({ stepScores }) => stepScores),
    );
    rewardModel.dispose();
    const [a, b, c] = scored?.samples ?? [];
    expect([a?.step_scores.length, c?.step_scores.length]).toEqual(expected.map(([scores]) => scores?.length));
    a?.step_scores.forEach((score, i) => {
      expect(score).toBeCloseTo(expected[0]?.[0]?.[i] ?? Number.NaN, 5);
    });
    expect(c?.step_scores[0]).toBeCloseTo(expected[1]?.[0]?.[0] ?? Number.NaN, 5);
    expect(b).toMatchObject({ step_scores: [], score: 0 });
  });
});
