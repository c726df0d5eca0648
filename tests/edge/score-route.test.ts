import { describe, expect, test } from "vitest";
import { appOn, fakeEngine } from "./fake-engine.ts";

describe("POST /score", () => {
  test("a completion is cut into steps, each with its score", async () => {
    const engine = fakeEngine();
    const { status, json } = await appOn(engine).call("/score", { prompt: "Q", completion: " ab \n\nabcd" });
    expect(status).toBe(200);
    expect(json).toEqual({
      object: "list",
      model: "reward-model",
      aggregation: "mean",
      data: [
        {
          index: 0,
          object: "score",
          score: 0.375,
          steps: [
            { index: 0, text: "ab", score: 0.5 },
            { index: 1, text: "abcd", score: 0.25 },
          ],
        },
      ],
      usage: { prompt_tokens: 20, total_tokens: 20, unknown_tokens: 0 },
    });
    expect(engine.scored[0]).toMatchObject({ prompt: "Q", context: "prefix", aggregation: "mean" });
  });

  test("a pair also tells its margin and the side it prefers", async () => {
    const { json } = await appOn(fakeEngine()).call("/score", { prompt: "Q", chosen: "ab", rejected: "abcd" });
    expect(json).toMatchObject({ chosen_score: 0.5, rejected_score: 0.25, margin: 0.25, preferred: "chosen" });
  });

  test("equal scores prefer the rejected side", async () => {
    const { json } = await appOn(fakeEngine()).call("/score", { prompt: "Q", chosen: "ab", rejected: "cd" });
    expect(json).toMatchObject({ margin: 0, preferred: "rejected" });
  });

  test("several completions keep their order; the request's aggregation and context win", async () => {
    const engine = fakeEngine();
    const body = { prompt: "Q", completions: ["ab\nabcd", "a"], aggregation: "min", context: "none" };
    const { json } = await appOn(engine, { AGGREGATION: "sum" }).call("/score", body);
    expect(json).toMatchObject({
      aggregation: "min",
      data: [
        { index: 0, score: 0.25 },
        { index: 1, score: 1 },
      ],
    });
    expect(engine.scored[0]?.context).toBe("none");
  });

  test("given steps are not cut again", async () => {
    const engine = fakeEngine();
    await appOn(engine).call("/score", { prompt: "Q", steps: [" a\nb ", "c"] });
    expect(engine.scored[0]?.completions).toEqual([{ field: "steps", steps: [{ text: "a\nb" }, { text: "c" }] }]);
  });

  const wrong: [string, unknown, string][] = [
    ["no completion", { prompt: "Q" }, 'field "completion"'],
    ["two forms at once", { prompt: "Q", completion: "a", steps: ["b"] }, 'field "completion"'],
    ["half a pair", { prompt: "Q", chosen: "a" }, 'field "chosen"'],
    ["a blank completion", { prompt: "Q", completions: ["a", "\n"] }, 'field "completions[1]"'],
    ["an unknown aggregation", { prompt: "Q", completion: "a", aggregation: "max" }, 'field "aggregation"'],
    ["no prompt", { completion: "a" }, 'field "prompt"'],
  ];
  test.each(wrong)("%s is a 422 that names the field", async (_, body, field) => {
    const { status, json } = await appOn(fakeEngine()).call("/score", body);
    expect(status).toBe(422);
    expect(json).toMatchObject({ error: expect.stringContaining(field), error_type: "validation" });
  });
});

describe("POST /get_reward", () => {
  test("nothing is scored where the last query is wrong", async () => {
    const engine = fakeEngine();
    const { status, json } = await appOn(engine).call("/get_reward", { query: ["Q\nab", "Q2"] });
    expect(status).toBe(422);
    expect(json).toMatchObject({ error: expect.stringContaining('field "query[1]"') });
    expect(engine.scored).toEqual([]);
  });

  test("one reward a query; the prompt is the first line", async () => {
    const engine = fakeEngine();
    const { json } = await appOn(engine).call("/get_reward", { query: ["Q\nab\nabcd", "Q2\na"] });
    expect(json).toEqual({ rewards: [0.375, 1] });
    const [asked] = engine.scored;
    expect(asked?.completions.map(({ prompt }) => prompt)).toEqual(["Q", "Q2"]);
    expect(engine.scored).toHaveLength(1); // it waits in line once
  });

  test("prompts tell where a response begins", async () => {
    const engine = fakeEngine();
    const { json } = await appOn(engine).call("/get_reward", { query: ["Q? abcd"], prompts: ["Q?"] });
    expect(json).toEqual({ rewards: [0.25] });
    expect(engine.scored[0]?.prompt).toBe("Q?");
  });

  test("a query that does not begin with its prompt is a 422", async () => {
    const { status, json } = await appOn(fakeEngine()).call("/get_reward", { query: ["Q? a"], prompts: ["R?"] });
    expect(status).toBe(422);
    expect(json).toMatchObject({ error: expect.stringContaining('field "prompts[0]"') });
  });
});
