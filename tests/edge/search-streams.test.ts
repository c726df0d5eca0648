// Streams of searches and of beams, at TGI's and OpenAI's paths: the same solution as without a stream, told as soon as it is settled.

import { describe, expect, test } from "vitest";
import { z } from "zod";
import { settledText } from "../../src/edge/search/settled-text.ts";
import { appOn, fakeEngine } from "./fake-engine.ts";
import { steppingEngine } from "./stepping-engine.ts";

type Event = { event: string; data: Record<string, unknown> };

function eventsOf(text: string): Event[] {
  const blocks = text.split("\n\n").filter((block) => block.includes("data: {"));
  return blocks.map((block) => ({
    event: /^event: (.*)$/m.exec(block)?.[1] ?? "message",
    data: JSON.parse(/^data: (.*)$/m.exec(block)?.[1] ?? "null"),
  }));
}

const search = { type: "step_beam", width: 2, expand: 2, depth: 8, max_step_tokens: 9, budget_tokens: 200 };

describe("what a search has settled on", () => {
  test.each([
    [["a\nb\nc", "a\nb\nd\n"], "a\nb\n"],
    [["a\nb\n", "a\nb\nc\n", "a\nbc\n"], "a\n"],
    [["a\n", ""], ""],
    [["a\nb", "c\nd"], ""],
    [["a\nb\n"], "a\nb\n"],
    [["\n", "b"], ""],
    [[], ""],
  ])("of %j is %j", (texts, settled) => {
    expect(settledText(texts)).toBe(settled);
  });
});

describe("/generate_stream", () => {
  const stream = async (parameters: object) => {
    const { call } = appOn(steppingEngine().engine);
    const { status, text } = await call("/generate_stream", { inputs: "Q?", parameters: { seed: 7, ...parameters } });
    expect(status).toBe(200);
    return eventsOf(text);
  };
  const whole = async (parameters: object): Promise<Record<string, unknown>> => {
    const { call } = appOn(steppingEngine().engine);
    return Object((await call("/generate", { inputs: "Q?", parameters: { seed: 7, ...parameters } })).json);
  };

  test("a search ends with what it answers without a stream, and its tokens are the text", async () => {
    const parameters = { search, aggregation: "mean", vote: "weighted", n: 2 };
    const events = await stream(parameters);
    const { finish_reason, ...answer } = await whole(parameters);
    const tokens = events.filter(({ event }) => event === "message").map(({ data }) => data);
    expect(tokens.map(({ index }) => index)).toEqual([1, 2, 3, 4]);
    expect(tokens.map(({ token }) => Object(token).text).join("")).toBe(answer.generated_text);
    expect(tokens.slice(0, -1).every((token) => token.generated_text === null)).toBe(true);
    expect(tokens.at(-1)).toMatchObject({
      ...answer,
      details: { finish_reason, generated_tokens: 4, input_length: 4, seed: 7 },
    });
    const steps = events.filter(({ event }) => event === "step").map(({ data }) => data);
    expect(steps).toEqual(answer.steps);
  });

  test("each round tells the best so far, and a step comes as soon as no other can be returned", async () => {
    const events = await stream({ search: { ...search, width: 1, expand: 4 }, aggregation: "mean" });
    const told = events.map(({ event, data }) => `${event} ${data.text ?? Object(data.token).text}`);
    // a token is held until it is known whether it is the last
    expect(told).toEqual([
      "round 9 b\n",
      "step 9 b",
      "round 9 b\n8 e\n",
      "message 9 b\n",
      "step 8 e",
      "round 9 b\n8 e\nA: 5",
      "message 8 e\n",
      "message A: 5",
      "step A: 5",
      "message ",
    ]);
    expect(events[0]?.data).toMatchObject({ round: 1, tokens: 4, text: "9 b\n", score: 0.9 });
  });

  test("beams tell the tokens of their best text, and all of them at the end", async () => {
    const parameters = { num_beams: 2, n: 2, score_steps: true };
    const beams = fakeEngine({
      generate: (options) => fakeEngine().generate({ ...options, candidates: options.beams?.count ?? 0 }),
    });
    const { text } = await appOn(beams).call("/generate_stream", { inputs: "Q?", parameters });
    const events = eventsOf(text);
    // the second row of the fake engine is the likelier one
    expect(events.map(({ event, data }) => `${event} ${data.text ?? Object(data.token).text}`)).toEqual([
      "message one",
      "message \ntwo",
      "step one",
      "step two 1",
      "message ",
    ]);
    expect(events.at(-1)?.data).toMatchObject({
      generated_text: "one\ntwo 1",
      sequences: [{ generated_text: "one\ntwo 1" }, { generated_text: "one\ntwo" }],
    });
  });
});

describe("OpenAI's paths", () => {
  const text = "9 b\n8 e\nA: 5";
  const messages = [{ role: "user", content: "Q?" }];

  test("a search's choices have their score and steps, best first", async () => {
    const body = { prompt: "Q?", search, aggregation: "mean", seed: 7, n: 2, max_tokens: 64 };
    const { json } = await appOn(steppingEngine().engine).call("/v1/completions", body);
    expect(json).toMatchObject({
      choices: [
        { index: 0, text, finish_reason: "stop", steps: [{ text: "9 b", score: 0.9 }, {}, {}] },
        { index: 1, text: "9 b\n7 e\nA: 5" },
      ],
      usage: { prompt_tokens: 4, completion_tokens: 16 },
    });
    const chat = { messages, search, aggregation: "mean", seed: 7, vote: "weighted" };
    expect((await appOn(steppingEngine().engine).call("/v1/chat/completions", chat)).json).toMatchObject({
      choices: [{ message: { content: text }, votes: [{ answer: "5" }] }],
      usage: { completion_tokens: 16 },
    });
  });

  test("their streams add up to the same text, with the score at the end", async () => {
    const body = { search, aggregation: "mean", seed: 7, max_tokens: 64, stream: true };
    const told = async (path: string, more: object) => {
      const answer = await appOn(steppingEngine().engine).call(path, { ...body, ...more });
      expect(answer.text.endsWith("data: [DONE]\n\n")).toBe(true);
      return eventsOf(answer.text).map(({ data }) => Object(data).choices[0]);
    };
    const completion = await told("/v1/completions", { prompt: "Q?" });
    expect(completion.map((choice) => choice.text).join("")).toBe(text);
    expect(completion.at(-1)).toMatchObject({ finish_reason: "stop", steps: [{ score: 0.9 }, {}, {}] });
    const chat = await told("/v1/chat/completions", { messages });
    expect(chat.map(({ delta }) => delta.content ?? "").join("")).toBe(text);
    expect(chat.at(-1)).toMatchObject({ finish_reason: "stop", steps: [{ score: 0.9 }, {}, {}] });
  });

  test("best_of by step score: a step scores 1 by its length, so that the shortest text is best", async () => {
    const ask = { prompt: "Q?", best_of: 3, rank_by: "score", aggregation: "min" };
    const { json } = await appOn(fakeEngine()).call("/v1/completions", ask);
    expect(json).toMatchObject({ choices: [{ text: "one\ntwo", score: 1 / 3, steps: [{}, {}] }] });
    const chat = { messages, n: 1, best_of: 3, rank_by: "score", aggregation: "min" };
    expect((await appOn(fakeEngine()).call("/v1/chat/completions", chat)).json).toMatchObject({
      choices: [{ message: { content: "one\ntwo" }, score: 1 / 3 }],
    });
  });

  test("score_steps scores every choice, streamed or not", async () => {
    const steps = [{ text: "one" }, { text: "two" }];
    for (const [path, more] of [
      ["/v1/completions", { prompt: "Q?" }],
      ["/v1/chat/completions", { messages }],
    ] as const) {
      const body = { ...more, score_steps: true };
      expect((await appOn(fakeEngine()).call(path, body)).json).toMatchObject({ choices: [{ steps }] });
      const streamed = eventsOf((await appOn(fakeEngine()).call(path, { ...body, stream: true })).text);
      expect(streamed.at(-1)?.data).toMatchObject({ choices: [{ steps }] });
    }
  });

  test.each([
    ["best_of", { best_of: 2, stream: true }],
    ["best_of", { best_of: 1, n: 2 }],
    ["rank_by", { rank_by: "score" }],
    ["rank_by", { n: 2, rank_by: "score", stream: true }],
    ["vote", { n: 2, vote: "majority", stream: true }],
    ["n", { n: 2, search, stream: true }],
    ["n", { n: 3, search }],
    ["search", { search, num_beams: 2 }],
    ["num_beams", { num_beams: 2, temperature: 1 }],
    ["best_of", { best_of: 2, temperature: 0, rank_by: "score" }],
  ])("is refused, and %s named: %j", async (field, asked) => {
    const engine = fakeEngine();
    for (const [path, more] of [
      ["/v1/completions", { prompt: "Q?" }],
      ["/v1/chat/completions", { messages }],
    ] as const) {
      const { status, text: said } = await appOn(engine).call(path, { ...more, ...asked });
      expect([status, said]).toEqual([422, expect.stringContaining(`(field \\"${field}\\")`)]);
    }
    expect(engine.generated).toHaveLength(0);
  });

  test("a search cannot go on from the assistant's words, and top_logprobs needs logprobs", async () => {
    const { call } = appOn(fakeEngine());
    const begun = { messages: [...messages, { role: "assistant", content: "9" }], search };
    expect(await call("/v1/chat/completions", begun)).toMatchObject({ status: 422 });
    const top = await call("/v1/chat/completions", { messages, top_logprobs: 2 });
    expect(top.text).toContain('(field \\"top_logprobs\\")');
  });
});

test("return_full_text puts the prompt before each choice's first chunk, once, and into generated_text", async () => {
  const chunksOf = async (body: object) => {
    const { text } = await appOn(steppingEngine().engine).call("/v1/completions", { ...body, stream: true });
    const data = [...text.matchAll(/^data: (\{.*)$/gm)].map(([, json = ""]) => chunkSchema.parse(JSON.parse(json)));
    const texts = new Map<number, string>();
    for (const { index, text: piece } of data.flatMap(({ choices }) => choices))
      texts.set(index, (texts.get(index) ?? "") + piece);
    return { data, texts: [...texts].sort(([a], [b]) => a - b).map(([, whole]) => whole) };
  };
  const chunkSchema = z.object({
    choices: z.array(
      z.object({
        index: z.number(),
        text: z.string(),
        logprobs: z.object({ text_offset: z.array(z.number()) }).nullable(),
      }),
    ),
    generated_text: z.string().nullish(),
  });
  const several = await chunksOf({ prompt: ["Q1 ", "Q2 "], n: 2, return_full_text: true });
  expect(several.texts).toEqual(["Q1 5 a\n", "Q1 9 b\n", "Q2 5 a\n", "Q2 9 b\n"]);
  expect((await chunksOf({ prompt: "Q ", n: 2 })).texts).toEqual(["5 a\n", "9 b\n"]);
  const { data } = await chunksOf({ prompt: "Q ", return_full_text: true, logprobs: 0 });
  expect(data.at(-1)?.generated_text).toBe("Q 5 a\n");
  expect(data.flatMap(({ choices }) => choices.flatMap(({ logprobs }) => logprobs?.text_offset ?? []))).toEqual([2]);
  // a search of three tokens and the end
  const found = await chunksOf({ prompt: "Q ", return_full_text: true, search });
  expect(found.texts).toEqual([(await chunksOf({ prompt: "Q ", search })).texts.map((whole) => `Q ${whole}`)[0]]);
  expect(found.data.at(-1)?.generated_text).toBe(found.texts[0]);
});
