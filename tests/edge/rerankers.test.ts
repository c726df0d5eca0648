// The shapes of TEI, vLLM, Jina and Cohere: what they name the two sides, and what of theirs means nothing here.

import { describe, expect, test } from "vitest";
import { appOn, fakeEngine } from "./fake-engine.ts";

// the fake engine scores a step 1 by its length
const scores = {
  data: [
    { index: 0, score: 0.5 },
    { index: 1, score: 1 },
  ],
};

describe("vLLM's score", () => {
  test.each([
    ["text_1", "text_2"],
    ["data_1", "data_2"],
    ["queries", "documents"],
  ])("%s and %s, at both paths", async (problems, solutions) => {
    for (const path of ["/score", "/v1/score"]) {
      const { json } = await appOn(fakeEngine()).call(path, { [problems]: "q", [solutions]: ["ab", "a"] });
      expect(json).toMatchObject(scores);
    }
  });

  test("a problem for each solution, all in one request to the engine", async () => {
    const engine = fakeEngine();
    const body = { text_1: ["q", "r", "q"], text_2: ["ab", "a", "abcd"] };
    const { json } = await appOn(engine).call("/v1/score", body);
    expect(json).toMatchObject({ data: [{ score: 0.5 }, { score: 1 }, { score: 0.25 }] });
    expect(engine.scored).toHaveLength(1);
    expect(engine.scored[0]?.completions.map(({ prompt, promptField, field }) => [prompt, promptField, field])).toEqual(
      [
        ["q", "text_1[0]", "text_2[0]"],
        ["r", "text_1[1]", "text_2[1]"],
        ["q", "text_1[0]", "text_2[2]"],
      ],
    );
  });

  test.each([
    ["text_2", { text_1: "q" }],
    ["text_1", { text_2: "q" }],
    ["text_1", { text_1: "q", text_2: "a", queries: "q", documents: "a" }],
    ["text_1", { text_1: ["q", "r"], text_2: ["a", "b", "c"] }],
    ["text_2[1]", { text_1: "q", text_2: ["a", " "] }],
    ["truncate_prompt_tokens", { text_1: "q", text_2: "a", truncate_prompt_tokens: 8 }],
    ["use_activation", { text_1: "q", text_2: "a", use_activation: false }],
  ])("is refused, and %s named: %j", async (field, body) => {
    const { status, text } = await appOn(fakeEngine()).call("/v1/score", body);
    expect([status, text]).toEqual([422, expect.stringContaining(field)]);
  });
});

describe("rerank", () => {
  test("documents may be texts or objects, top_n 0 is all", async () => {
    const body = { query: "q", documents: ["ab", { text: "a", title: "t" }], top_n: 0, priority: 0 };
    const { json } = await appOn(fakeEngine()).call("/v2/rerank", body);
    expect(json).toMatchObject({
      results: [
        { index: 1, relevance_score: 1, document: { text: "a" } },
        { index: 0, relevance_score: 0.5, document: { text: "ab" } },
      ],
    });
  });

  test("the body that TEI's clients send", async () => {
    const body = { query: "q", texts: ["ab", "a"], raw_scores: false, return_text: false, truncate: false };
    const { json } = await appOn(fakeEngine()).call("/rerank", { ...body, truncation_direction: "Right" });
    expect(json).toEqual([
      { index: 1, score: 1 },
      { index: 0, score: 0.5 },
    ]);
  });
});
