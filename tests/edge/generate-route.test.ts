import { describe, expect, test } from "vitest";
import { appOn, fakeEngine } from "./fake-engine.ts";

describe("POST /generate", () => {
  test("a plain prompt is decoded greedily", async () => {
    const engine = fakeEngine();
    const { status, json } = await appOn(engine).call("/generate", { prompt: "Hello?" });
    expect(status).toBe(200);
    expect(json).toEqual({
      generated_text: "one\ntwo",
      finish_reason: "eos_token",
      model: "policy-model",
      usage: { prompt_tokens: 4, completion_tokens: 3, total_tokens: 7, unknown_tokens: 0 },
    });
    expect(engine.generated[0]).toMatchObject({
      prompt: "Hello?",
      sampling: { doSample: false },
      candidates: 1,
      stop: [],
      repetitionPenalty: 1,
    });
    expect(engine.generated[0]?.maxNewTokens).toBeUndefined();
  });

  test("the body of TGI's Python client is taken, its nulls and falses too", async () => {
    const engine = fakeEngine();
    // what huggingface_hub's InferenceClient.text_generation sends
    const parameters = {
      adapter_id: null,
      best_of: null,
      decoder_input_details: false,
      details: true,
      do_sample: false,
      frequency_penalty: null,
      grammar: null,
      max_new_tokens: 20,
      repetition_penalty: 1.2,
      return_full_text: false,
      seed: 7,
      stop: ["\n"],
      temperature: 0.7,
      top_k: 5,
      top_n_tokens: null,
      top_p: 0.9,
      truncate: null,
      typical_p: null,
      watermark: false,
    };
    const { status, json } = await appOn(engine).call("/generate", { inputs: "Hello?", parameters, stream: false });
    expect(status).toBe(200);
    expect(engine.generated[0]).toMatchObject({
      prompt: "Hello?",
      maxNewTokens: 20,
      sampling: { doSample: true, temperature: 0.7, topK: 5, topP: 0.9 },
      seed: 7,
      stop: ["\n"],
      repetitionPenalty: 1.2,
    });
    expect(json).toMatchObject({
      details: {
        finish_reason: "eos_token",
        generated_tokens: 3,
        seed: 7,
        prefill: [],
        tokens: [
          { id: 10, text: "one", logprob: -1, special: false },
          { id: 11, text: "\ntwo", logprob: -2, special: false },
          { id: 1, text: "", logprob: -3, special: true },
        ],
      },
    });
  });

  test("best_of answers with the likeliest candidate and lists the others", async () => {
    const { json } = await appOn(fakeEngine()).call("/generate", {
      inputs: "x",
      parameters: { best_of: 3, do_sample: true, details: true },
    });
    expect(json).toMatchObject({ generated_text: "one\ntwo 2", usage: { completion_tokens: 9 } });
    expect(json).toMatchObject({
      details: { best_of_sequences: [{ generated_text: "one\ntwo 1" }, { generated_text: "one\ntwo" }] },
    });
  });

  test("temperature 0 is greedy; do_sample alone samples at temperature 1", async () => {
    const engine = fakeEngine();
    const { call } = appOn(engine);
    await call("/generate", { prompt: "x", parameters: { temperature: 0 } });
    await call("/generate", { prompt: "x", parameters: { do_sample: true } });
    expect(engine.generated[0]?.sampling.doSample).toBe(false);
    expect(engine.generated[1]?.sampling).toEqual({ doSample: true, temperature: 1, topK: 0, topP: 1 });
  });

  const wrong: [string, unknown, string][] = [
    ["no prompt", {}, 'field "prompt"'],
    ["both names of the prompt", { prompt: "a", inputs: "b" }, 'field "prompt"'],
    ["an empty prompt", { prompt: "  " }, 'field "prompt"'],
    ["a prompt that is no text", { prompt: 3 }, 'field "prompt"'],
    ["a list as the body", [], "body"],
    ["a misspelt parameter", { prompt: "a", parameters: { max_tokens: 3 } }, 'field "parameters.max_tokens"'],
    ["a negative length", { prompt: "a", parameters: { max_new_tokens: -1 } }, 'field "parameters.max_new_tokens"'],
    ["half a token", { prompt: "a", parameters: { max_new_tokens: 1.5 } }, 'field "parameters.max_new_tokens"'],
    ["top_p above one", { prompt: "a", parameters: { top_p: 1.1 } }, 'field "parameters.top_p"'],
    ["an empty stop string", { prompt: "a", parameters: { stop: ["x", ""] } }, 'field "parameters.stop[1]"'],
    ["best_of without sampling", { prompt: "a", parameters: { best_of: 2 } }, 'field "parameters.best_of"'],
    ["a grammar", { prompt: "a", parameters: { grammar: {} } }, 'is not supported (field "parameters.grammar")'],
    [
      "a stream of several",
      { prompt: "a", stream: true, parameters: { best_of: 2, do_sample: true } },
      "a stream cannot",
    ],
    ["streaming that is no yes or no", { prompt: "a", stream: "yes" }, 'field "stream"'],
  ];
  test.each(wrong)("%s is a 422 that names the field", async (_, body, message) => {
    const engine = fakeEngine();
    const { status, json } = await appOn(engine).call("/generate", body);
    expect(status).toBe(422);
    expect(json).toMatchObject({ error: expect.stringContaining(message), error_type: "validation" });
    expect(engine.generated).toEqual([]);
  });
});

describe("POST /v1/completions", () => {
  test("samples at temperature 1 for 16 tokens unless told otherwise", async () => {
    const engine = fakeEngine();
    const { json } = await appOn(engine).call(
      "/v1/completions",
      { prompt: "x", n: 2, model: "policy-model" },
      { "x-request-id": "r-1" },
    );
    expect(engine.generated[0]).toMatchObject({ maxNewTokens: 16, candidates: 2, sampling: { temperature: 1 } });
    expect(json).toMatchObject({
      id: "cmpl-r-1",
      object: "text_completion",
      model: "policy-model",
      choices: [
        { index: 0, text: "one\ntwo", logprobs: null, finish_reason: "stop" },
        { index: 1, text: "one\ntwo 1", logprobs: null, finish_reason: "stop" },
      ],
      usage: { prompt_tokens: 4, completion_tokens: 6, total_tokens: 10 },
    });
  });

  test("the stop string is not part of the text", async () => {
    const engine = fakeEngine({
      generate: async () => ({
        model: "policy-model",
        promptTokens: 1,
        candidates: [{ ids: [1], tokenLogps: [-1], tokenTexts: [], text: "one\n", finishReason: "stop_sequence" }],
      }),
    });
    const { json } = await appOn(engine).call("/v1/completions", { prompt: ["x"], stop: "\n", temperature: 0 });
    expect(json).toMatchObject({ choices: [{ text: "one", finish_reason: "stop" }] });
  });

  test("another model's name is a 404", async () => {
    const { status, json } = await appOn(fakeEngine()).call("/v1/completions", { prompt: "x", model: "gpt" });
    expect(status).toBe(404);
    expect(json).toMatchObject({ error_type: "model_not_found" });
  });

  test("GET /v1/models lists both models", async () => {
    const { json } = await appOn(fakeEngine()).call("/v1/models");
    // 2026-01-02T03:04:05Z in seconds
    const model = { object: "model", created: 1767323045, owned_by: "stepwise-dpo" };
    expect(json).toEqual({
      object: "list",
      data: [
        { id: "policy-model", ...model },
        { id: "reward-model", ...model },
      ],
    });
  });
});
