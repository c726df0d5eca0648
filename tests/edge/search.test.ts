// POST /generate with several solutions: what is asked of the engine, how they are ranked, and what is refused. A fake engine writes
// steps whose score stands in them; tests/edge/guided.test.ts runs the same on real graphs.

import { describe, expect, test } from "vitest";
import { appOn, fakeEngine } from "./fake-engine.ts";
import { steppingEngine } from "./stepping-engine.ts";

describe("step search", () => {
  const search = { type: "step_beam", width: 2, expand: 2, depth: 8, max_step_tokens: 9, budget_tokens: 200 };

  test("continues the best prefixes, one request a prefix, and tells tokens, steps and rounds of the best", async () => {
    const { engine, generated } = steppingEngine();
    const { status, json } = await appOn(engine).call("/generate", {
      inputs: "Q?",
      parameters: { search, aggregation: "mean", seed: 7, n: 2, details: true },
    });
    expect(status).toBe(200);
    expect(generated.map(({ prefix, candidates, maxNewTokens }) => [prefix, candidates, maxNewTokens])).toEqual([
      ["", 4, 9],
      ["9 b\n", 2, 9],
      ["7 c\n", 2, 9],
      ["9 b\n8 e\n", 2, 9],
      ["9 b\n7 e\n", 2, 9],
    ]);
    expect(new Set(generated.map(({ seed }) => seed)).size).toBe(5);
    expect(generated.every(({ stop, sampling }) => stop.includes("\n") && sampling.doSample)).toBe(true);
    // means of 0.9, 0.8 and 0.5, of 0.9, 0.7 and 0.5
    expect(json).toMatchObject({
      generated_text: "9 b\n8 e\nA: 5",
      finish_reason: "eos_token",
      usage: { prompt_tokens: 4, completion_tokens: 4 + 4 + 8 },
      search: { rounds: 3, tokens: 16 },
      steps: [
        { index: 0, text: "9 b", score: 0.9 },
        { index: 1, text: "8 e", score: 0.8 },
        { index: 2, text: "A: 5", score: 0.5 },
      ],
      sequences: [{ generated_text: "9 b\n8 e\nA: 5" }, { generated_text: "9 b\n7 e\nA: 5" }],
      details: { generated_tokens: 4, finish_reason: "eos_token", seed: 7 },
    });
    const { details, score } = json as { details: { tokens: { text: string }[] }; score: number };
    expect(details.tokens.map(({ text }) => text).join("")).toBe("9 b\n8 e\nA: 5");
    expect(score).toBeCloseTo(2.2 / 3, 12);
  });

  test("a process reward model is shown that more follows, and not asked about it", async () => {
    const { engine } = steppingEngine();
    const { policy, reward } = await engine.load();
    const prm = {
      ...reward,
      manifest: { ...reward.manifest, reward: { type: "process" as const, template_version: "stepwise-1" as const } },
    };
    const asked: string[][] = [];
    const { status, json } = await appOn({
      ...engine,
      load: async () => ({ policy, reward: prm }),
      score(options) {
        asked.push(...options.completions.map(({ steps }) => steps.map(({ text }) => text)));
        return engine.score(options);
      },
    }).call("/generate", { prompt: "Q?", parameters: { search: { ...search, expand: 1 }, seed: 1 } });
    expect(status).toBe(200);
    expect(asked[0]).toEqual(["5 a", "..."]);
    expect(asked).toContainEqual(["9 b", "8 e", "A: 0"]);
    expect(json).toMatchObject({ steps: [{ text: "9 b" }, { text: "8 e" }, { text: "A: 0" }] });
  });

  test("a text that is as long as max_new_tokens allows is not written on", async () => {
    const { engine, generated } = steppingEngine();
    const { json } = await appOn(engine).call("/generate", {
      prompt: "Q?",
      parameters: { search, max_new_tokens: 2, seed: 7 },
    });
    expect(generated.map(({ maxNewTokens }) => maxNewTokens)).toEqual([2, 1, 1]);
    expect(json).toMatchObject({ generated_text: "9 b\n8 e\n", finish_reason: "length" });
  });
});

describe("best of several", () => {
  const parameters = { best_of: 3, temperature: 1, seed: 3 };

  test("by log-prob unless told otherwise, without asking the reward model", async () => {
    const engine = fakeEngine();
    const { json } = await appOn(engine).call("/generate", { prompt: "Q?", parameters });
    expect(json).toMatchObject({ generated_text: "one\ntwo 2" }); // the last row has the largest log-prob
    expect(engine.scored).toHaveLength(0);
  });

  test("by step scores: a step scores 1 by its length, so that the shortest text is best", async () => {
    const { json } = await appOn(fakeEngine()).call("/generate", {
      prompt: "Q?",
      parameters: { ...parameters, rank_by: "score", aggregation: "min" },
    });
    expect(json).toMatchObject({
      generated_text: "one\ntwo",
      score: 1 / 3,
      steps: [{ score: 1 / 3 }, { score: 1 / 3 }],
    });
  });

  test("a vote tells each answer's share", async () => {
    const { engine } = steppingEngine();
    const { json } = await appOn({
      ...engine,
      generate: async (options) => {
        const texts = ["9 x\nA: 4", "2 y\nA: 5", "3 z\nA: 5.0"];
        const candidates = texts.map((text) => ({
          ids: [10, 1],
          tokenLogps: [-1, -1],
          tokenTexts: [],
          text,
          finishReason: "eos_token" as const,
        }));
        expect(options.candidates).toBe(3);
        return { model: "policy-model", promptTokens: 4, candidates };
      },
    }).call("/generate", { prompt: "Q?", parameters: { ...parameters, vote: "majority", rank_by: "score" } });
    expect(json).toMatchObject({
      generated_text: "3 z\nA: 5.0",
      votes: [
        { answer: "5", share: 2 / 3, votes: 2 },
        { answer: "4", share: 1 / 3, votes: 1 },
      ],
    });
  });
});

test("settings of the next token reach the engine under its names", async () => {
  const engine = fakeEngine();
  const { status } = await appOn(engine).call("/generate", {
    prompt: "Q?",
    parameters: {
      typical_p: 0.9,
      min_p: 0.1,
      frequency_penalty: 0.5,
      presence_penalty: -0.5,
      no_repeat_ngram_size: 3,
      logit_bias: { "12": -100 },
      min_new_tokens: 4,
      stop_token_ids: [7],
      max_time: 2.5,
    },
  });
  expect(status).toBe(200);
  expect(engine.generated[0]).toMatchObject({
    sampling: { doSample: true, typicalP: 0.9, minP: 0.1 },
    frequencyPenalty: 0.5,
    presencePenalty: -0.5,
    noRepeatNgramSize: 3,
    minNewTokens: 4,
    stopIds: [7],
    maxTimeMs: 2500,
  });
  expect(engine.generated[0]?.logitBias).toEqual(new Map([[12, -100]]));
});

test("beams are asked for as Hugging Face does", async () => {
  const engine = fakeEngine();
  const parameters = { num_beams: 4, length_penalty: 0.5, early_stopping: "never", n: 1 };
  expect((await appOn(engine).call("/generate", { prompt: "Q?", parameters })).status).toBe(200);
  expect(engine.generated[0]?.beams).toEqual({ count: 4, lengthPenalty: 0.5, earlyStopping: "never" });
});

describe("is refused, and the field named", () => {
  const search = { type: "dvts" };
  test.each([
    ["parameters.search", { search, best_of: 2, temperature: 1 }],
    ["parameters.num_beams", { num_beams: 2, best_of: 2, temperature: 1 }],
    ["parameters.num_beams", { num_beams: 2, temperature: 1 }],
    ["parameters.best_of", { best_of: 2 }],
    ["parameters.n", { n: 2 }],
    ["parameters.n", { n: 3, search }],
    ["parameters.rank_by", { rank_by: "score" }],
    ["parameters.rank_by", { vote: "majority" }],
    ["parameters.temperature", { search, temperature: 0 }],
    ["parameters.min_new_tokens", { search, min_new_tokens: 2 }],
    ["parameters.search.expand", { search: { type: "dvts", width: 4, expand: 5 } }],
    ["parameters.search.type", { search: { type: "mcts" } }],
    ["parameters.search.budget_tokens", { search: { type: "dvts", budget_tokens: 1e6 } }],
    ["parameters.repetition_penalty", { repetition_penalty: 1e-45 }],
    ["parameters.logit_bias", { logit_bias: { a: 1 } }],
    ["parameters.max_time", { max_time: 1e9 }],
  ])("%s: %j", async (field, parameters) => {
    const engine = fakeEngine();
    const { status, text } = await appOn(engine).call("/generate", { prompt: "Q?", parameters });
    expect(status).toBe(422);
    expect(text).toContain(field);
    expect(engine.generated).toHaveLength(0);
  });

  test("a stream of several to choose from", async () => {
    const parameters = { best_of: 2, temperature: 1 };
    const { status, text } = await appOn(fakeEngine()).call("/generate", { prompt: "Q?", stream: true, parameters });
    expect(status).toBe(422);
    expect(text).toContain("parameters.best_of");
  });
});
