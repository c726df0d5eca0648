// The engine on real graphs (onnxruntime-node), held to the slow reference decoder.

import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createEngine, type Engine, type EngineOptions } from "../../src/edge/engine/engine.ts";
import type { GenerateOptions } from "../../src/edge/engine/generate.ts";
import { batchesByLength } from "../../src/edge/engine/judge.ts";
import type { ModelStore } from "../../src/edge/model-store.ts";
import { folderStore } from "../../src/serve/folder-store.ts";
import { createNodeRuntime } from "../../src/serve/node-runtime.ts";
import { InputError } from "../../src/shared/errors.ts";
import { splitSteps } from "../../src/shared/steps.ts";
import { openReference, type Reference } from "../runtime/reference.ts";
import { exportTinyModel } from "../runtime/tiny-model.ts";

const nodeRuntime = createNodeRuntime(1);

const PROMPT = "Tom has 3 apples and gets 4.";
const SOLUTION = "3 + 4 = 7\nSo Tom has 7 apples.\nAnd no more.";
const SAMPLED = { doSample: true, temperature: 1, topK: 0, topP: 1 };
const GREEDY: GenerateOptions = {
  sampling: { ...SAMPLED, doSample: false },
  prompt: PROMPT,
  seed: 0,
  stop: [],
  repetitionPenalty: 1,
  candidates: 1,
  maxNewTokens: 24,
};

let policy: Awaited<ReturnType<typeof exportTinyModel>>;
let reward: Awaited<ReturnType<typeof exportTinyModel>>;
let policyReference: Reference;
let rewardReference: Reference;
let engine: Engine;

function engineOn(options: Partial<EngineOptions> = {}): Engine {
  const store = folderStore({ policy: policy.dir, reward: reward.dir });
  return createEngine({
    store,
    runtime: nodeRuntime,
    policy: "policy",
    reward: "reward",
    dtype: "fp32",
    maxWaiting: 8,
    ...options,
  });
}

beforeAll(async () => {
  policy = await exportTinyModel("t5-v1.1", { maxSourceTokens: 40, maxTargetTokens: 32 });
  reward = await exportTinyModel("t5-v1.0");
  policyReference = await openReference(policy.dir, "");
  rewardReference = await openReference(reward.dir, "");
  engine = engineOn();
});
afterAll(async () => {
  await policy.remove();
  await reward.remove();
});

describe("generate", () => {
  test("greedy decoding with the cache writes the ids of decoding without one", async () => {
    const { candidates, promptTokens } = await engine.generate(GREEDY);
    expect(candidates[0]?.ids).toEqual(await policyReference.greedy(PROMPT, 24));
    expect(candidates[0]?.text).toBe(policyReference.decode(candidates[0]?.ids ?? []));
    expect(promptTokens).toBe(policyReference.encode(PROMPT).length);
  });

  test("int8 graphs decode to their own greedy ids", async () => {
    const reference = await openReference(policy.dir, "_quantized");
    const expected = await reference.greedyCached(PROMPT, 20, 1e-4);
    const { candidates } = await engineOn({ dtype: "int8" }).generate({ ...GREEDY, maxNewTokens: expected.length });
    expect(expected.length).toBeGreaterThan(3);
    expect(candidates[0]?.ids).toEqual(expected);
  });

  test("sampling with top_k 1 is greedy, in every row of a batch", async () => {
    const sampled = await engine.generate({ ...GREEDY, sampling: { ...SAMPLED, topK: 1 }, candidates: 3 });
    const ids = await policyReference.greedy(PROMPT, 24);
    expect(sampled.candidates.map((candidate) => candidate.ids)).toEqual([ids, ids, ids]);
  });

  test("a row of a batch draws what it draws alone", async () => {
    const sampling = SAMPLED;
    const batch = await engine.generate({ ...GREEDY, sampling, seed: 11, candidates: 3 });
    const alone = await engine.generate({ ...GREEDY, sampling, seed: 13 });
    expect(batch.candidates[2]?.ids).toEqual(alone.candidates[0]?.ids);
    expect(batch.candidates[0]?.ids).not.toEqual(batch.candidates[1]?.ids);
  });

  test("a stop string ends the text, and belongs to it", async () => {
    const full = policyReference.decode(await policyReference.greedy(PROMPT, 24));
    const stop = full.slice(2, 4);
    const { candidates } = await engine.generate({ ...GREEDY, stop: [stop] });
    expect(candidates[0]?.finishReason).toBe("stop_sequence");
    expect(candidates[0]?.text).toBe(full.slice(0, full.indexOf(stop) + stop.length));
  });

  // 96 ids, each written once at most, and none of them may end the text
  test.each([
    ["greedy", {}],
    ["drawn", { sampling: SAMPLED }],
    ["by beam search", { beams: { count: 2, lengthPenalty: 1, earlyStopping: false } }],
  ])("a text that its settings leave no id to go on with is the caller's fault, %s", async (_, how) => {
    const long = engineOn({ policy: "reward" });
    const written = long.generate({ ...GREEDY, ...how, maxNewTokens: 120, minNewTokens: 110, noRepeatNgramSize: 1 });
    await expect(written).rejects.toThrow(
      'no_repeat_ngram_size 1 with min_new_tokens 110 leaves no token to go on with (field "no_repeat_ngram_size")',
    );
    await expect(written).rejects.toBeInstanceOf(InputError);
  });

  test("token texts put together are the text, log-probs are negative", async () => {
    const { candidates } = await engine.generate({ ...GREEDY, tokenTexts: true });
    expect(candidates[0]?.tokenTexts.join("")).toBe(candidates[0]?.text);
    expect(candidates[0]?.tokenLogps.every((logp) => logp < 0)).toBe(true);
  });

  test("a prompt over the limit is refused with both numbers", async () => {
    const long = "a".repeat(60);
    const tokens = policyReference.encode(long).length;
    await expect(engine.generate({ ...GREEDY, prompt: long })).rejects.toThrow(
      `prompt has ${tokens} tokens, the limit of model "tiny-t5-v1.1" is 40 tokens (field "prompt")`,
    );
  });

  test("a text far over the limit is refused without being tokenized", async () => {
    await expect(engine.generate({ ...GREEDY, prompt: "a".repeat(1_000_000) })).rejects.toThrow(
      "prompt has 1000000 characters",
    );
  });

  test("more new tokens than the limit are refused, none named means the limit", async () => {
    await expect(engine.generate({ ...GREEDY, maxNewTokens: 33 })).rejects.toThrow("33 new tokens are asked for");
    const { candidates } = await engine.generate({ ...GREEDY, maxNewTokens: undefined });
    expect(candidates[0]?.ids.length).toBeLessThanOrEqual(32);
  });
});

describe("score", () => {
  const scoring = (texts: readonly string[]) =>
    engine.score({
      prompt: PROMPT,
      completions: texts.map((text, index) => ({ field: `completions[${index}]`, steps: splitSteps(text) })),
      aggregation: "mean",
      context: "prefix",
    });

  test("steps scored in padded batches have the scores of steps scored one by one", async () => {
    const texts = [SOLUTION, "7", "3 + 4 = 8\nSo Tom has 8 apples and all of them are here."];
    const { completions } = await scoring(texts);
    for (const [index, text] of texts.entries()) {
      const expected = await rewardReference.stepScores(PROMPT, text);
      const steps = completions[index]?.steps ?? [];
      expect(steps.length).toBe(expected.length);
      for (const [at, value] of expected.entries()) expect(steps[at]?.score).toBeCloseTo(value, 5);
      expect(completions[index]?.score).toBeCloseTo(
        expected.reduce((sum, value) => sum + value, 0) / expected.length,
        5,
      );
    }
  });

  test("steps that two completions share have the same score to the last bit", async () => {
    const { completions } = await scoring(["3 + 4 = 7\nA.", "3 + 4 = 7\nB."]);
    expect(completions[0]?.steps[0]?.score).toBe(completions[1]?.steps[0]?.score);
  });

  test("completions of several prompts are scored in one request as each by itself", async () => {
    const prompts = [PROMPT, "Anna has 9 pens.", PROMPT];
    const completions = prompts.map((prompt, at) => ({ field: `query[${at}]`, prompt, steps: splitSteps(SOLUTION) }));
    const together = await engine.score({ prompt: "", completions, aggregation: "mean", context: "prefix" });
    for (const [at, prompt] of prompts.entries()) {
      const expected = await rewardReference.stepScores(prompt, SOLUTION);
      const steps = together.completions[at]?.steps ?? [];
      expect(steps).toHaveLength(expected.length);
      for (const [index, value] of expected.entries()) expect(steps[index]?.score).toBeCloseTo(value, 5);
    }
  });

  test("of a text that grew, only what is new is read", async () => {
    const steps = splitSteps(SOLUTION);
    const whole = await scoring([SOLUTION]);
    const grown = await engine.score({
      prompt: PROMPT,
      completions: [{ field: "completion", steps, from: 2 }],
      aggregation: "last",
      context: "prefix",
    });
    const last = whole.completions[0]?.steps[2];
    expect(grown.completions[0]?.steps).toHaveLength(1);
    expect(grown.completions[0]?.steps[0]?.score).toBeCloseTo(last?.score ?? Number.NaN, 5);
    expect(grown.promptTokens).toBeLessThan(whole.promptTokens / 2);
  });

  test("in int8 too, a step's score does not depend on what else is asked", async () => {
    const int8 = engineOn({ dtype: "int8" });
    const ask = (texts: readonly string[]) =>
      int8.score({
        prompt: PROMPT,
        completions: texts.map((text) => ({ field: "completions", steps: splitSteps(text) })),
        aggregation: "mean",
        context: "prefix",
      });
    const alone = await ask(["3 + 4 = 7"]);
    const together = await ask([SOLUTION, "3 + 4 = 7", "8"]);
    expect(together.completions[1]).toEqual(alone.completions[0]);
  });

  test("a judge prompt over the limit names step, field and limit", async () => {
    await expect(scoring([`1\n${"a".repeat(500)}`])).rejects.toThrow(
      /step 1 of completions\[0\].*has \d+ tokens, the limit .* is 512/,
    );
  });

  // 512 tokens of at most 32 characters: 16,384
  test("a prompt far over the limit is refused before any step is read", async () => {
    let reads = 0;
    const step = {
      get text() {
        reads++;
        return "a";
      },
    };
    const ask = (own?: string, promptField?: string) =>
      engine.score({
        prompt: own === undefined ? "a".repeat(16_385) : PROMPT,
        completions: [{ field: "query[0]", steps: new Array(512).fill(step), prompt: own, promptField }],
        aggregation: "mean",
        context: "prefix",
      });
    await expect(ask()).rejects.toThrow(/^prompt has 16385 characters.*512 tokens \(field "prompt"\)/);
    await expect(ask("a".repeat(16_386))).rejects.toThrow(/^prompt has 16386 characters.*\(field "query\[0\]"\)/);
    await expect(ask("a".repeat(16_386), "text_1[3]")).rejects.toThrow(/\(field "text_1\[3\]"\)/);
    expect(reads).toBe(0);
  });

  test("a judge prompt far over the limit is refused by its length, which counts the steps before it", async () => {
    // "Question: " 10, prompt 28, " Reasoning so far: " 19, 8 steps of 2000 and 7 spaces, " Next step: " 12, 2000, " Is ... no." 44
    expect(PROMPT).toHaveLength(28);
    await expect(scoring([`${"a".repeat(2_000)}\n`.repeat(512)])).rejects.toThrow(
      "step 8 of completions[0], with its prompt and earlier steps, has 18120 characters",
    );
  });

  test("judge prompts of two million characters are refused", async () => {
    const steps = Array.from({ length: 512 }, (_, at) => ({ text: String(at) }));
    const asked = { prompt: "a".repeat(16_000), aggregation: "mean", context: "prompt" } as const;
    await expect(engine.score({ ...asked, completions: [{ field: "steps", steps }] })).rejects.toThrow(
      'the questions about all steps have more than 2000000 characters (field "steps")',
    );
  });

  test("more than 512 steps in one request are refused", async () => {
    await expect(scoring(["a\n".repeat(300), "b\n".repeat(213)])).rejects.toThrow(
      '513 steps in one request, the limit is 512 (field "completions")',
    );
  });

  test("a completion without steps is refused", async () => {
    await expect(scoring([" \n "])).rejects.toThrow("completions[0] has no steps");
  });

  test("batches hold at most 16 rows and 2048 padded tokens, shortest first", () => {
    const questions = [900, 10, 1100, 12, 3000].map((length) => ({ ids: new Array<number>(length).fill(5) }));
    const lengths = batchesByLength(questions, 16).map((batch) => batch.map(({ ids }) => ids.length));
    expect(lengths).toEqual([[10, 12], [900], [1100], [3000]]);
    expect(batchesByLength(new Array(40).fill({ ids: [1] }), 16).map((batch) => batch.length)).toEqual([16, 16, 8]);
  });
});

describe("load", () => {
  test("one folder for both roles is opened once", async () => {
    let opened = 0;
    const runtime = {
      ...nodeRuntime,
      createSession: (bytes: Uint8Array, where: string) => {
        opened++;
        return nodeRuntime.createSession(bytes, where);
      },
    };
    await engineOn({ reward: "policy", runtime }).load();
    expect(opened).toBe(2);
  });

  test("a missing model is said with its path", async () => {
    await expect(engineOn({ policy: "nowhere" }).load()).rejects.toThrow("nowhere/stepwise_manifest.json");
  });

  test("one flipped bit in a graph is found", async () => {
    const good = folderStore({ policy: policy.dir, reward: reward.dir });
    const store: ModelStore = {
      async read(path) {
        const bytes = await good.read(path);
        if (bytes === undefined || path !== "policy/onnx/decoder_model_merged.onnx") return bytes;
        const damaged = new Uint8Array(bytes);
        damaged[1000] = (damaged[1000] ?? 0) ^ 1;
        return damaged;
      },
    };
    const load = engineOn({ store }).load();
    await expect(load).rejects.toThrow("sha256 differs from the manifest's (policy/onnx/decoder_model_merged.onnx)");
  });

  test("an encoder and a decoder that were swapped are found before any text is written", async () => {
    const good = folderStore({ policy: policy.dir, reward: reward.dir });
    const swap: Record<string, string> = { encoder: "decoder", decoder: "encoder" };
    const store: ModelStore = {
      async read(path) {
        const bytes = await good.read(path);
        if (bytes === undefined || path !== "policy/stepwise_manifest.json") return bytes;
        const text = new TextDecoder().decode(bytes);
        return new TextEncoder().encode(text.replace(/"role": "(encoder|decoder)"/g, (_, r) => `"role": "${swap[r]}"`));
      },
    };
    await expect(engineOn({ store }).load()).rejects.toThrow(
      /this is no encoder: it gives no last_hidden_state \(policy\/onnx\/decoder_model_merged\.onnx\)/,
    );
  });

  test("a file cut short is found by its size", async () => {
    const good = folderStore({ policy: policy.dir, reward: reward.dir });
    const store: ModelStore = {
      read: async (path) => (path.endsWith("config.json") ? (await good.read(path))?.subarray(0, 10) : good.read(path)),
    };
    await expect(engineOn({ store }).load()).rejects.toThrow(/10 bytes, the manifest says \d+ \(policy\/config.json\)/);
  });

  test("a model made for other prompts is refused", async () => {
    const good = folderStore({ policy: policy.dir, reward: reward.dir });
    const text = await readFile(`${policy.dir}/stepwise_manifest.json`, "utf8");
    const other = new TextEncoder().encode(text.replace('"stepwise-1"', '"stepwise-0"'));
    const store: ModelStore = { read: async (path) => (path.endsWith("manifest.json") ? other : good.read(path)) };
    await expect(engineOn({ store }).load()).rejects.toThrow('made for prompt template "stepwise-0"');
  });
});
