// Characters that the vocabulary lacks, told with every answer: the tiny model's tokenizer has letters, digits and ".,?:=+-*/", and so
// lacks "<", "{", "}" and "J". Counts are by hand.

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createApp } from "../../src/edge/app.ts";
import { runRecord } from "../../src/edge/batch/run-record.ts";
import { createEngine, type Engine } from "../../src/edge/engine/engine.ts";
import { parseSettings } from "../../src/edge/env.ts";
import { createAccounts } from "../../src/edge/http/accounts.ts";
import { createMetrics } from "../../src/edge/http/metrics.ts";
import { folderStore } from "../../src/serve/folder-store.ts";
import { createNodeRuntime } from "../../src/serve/node-runtime.ts";
import { exportTinyModel } from "../runtime/tiny-model.ts";

/** "<", "{" and "}", each between known characters: three unknown tokens. */
const PROMPT = "Is 3 < 4 {so}?";
const MAX_TOKENS = 4;

let policy: Awaited<ReturnType<typeof exportTinyModel>>;
let process: Awaited<ReturnType<typeof exportTinyModel>>;
let judged: ReturnType<typeof appOf>;
let processed: ReturnType<typeof appOf>;

function appOf(reward: "policy" | "process") {
  const engine: Engine = createEngine({
    store: folderStore({ policy: policy.dir, process: process.dir }),
    runtime: createNodeRuntime(1),
    policy: "policy",
    reward,
    dtype: "fp32",
    maxWaiting: 8,
  });
  const logs: string[] = [];
  const settings = parseSettings({});
  const parts = { engine, settings, metrics: createMetrics([]), log: (line: string) => logs.push(line) };
  const app = createApp(parts);
  const post = async (path: string, body: unknown) =>
    (await app.request(path, { method: "POST", body: JSON.stringify(body) })).text();
  return { post, logs, deps: { ...parts, accounts: createAccounts(settings) } };
}

async function json(path: string, body: unknown, on = judged): Promise<Record<string, unknown>> {
  const parsed: unknown = JSON.parse(await on.post(path, body));
  if (typeof parsed !== "object" || parsed === null) throw new TypeError("no object");
  return { ...parsed };
}

/** The data of a stream's events. */
async function events(path: string, body: unknown): Promise<Record<string, unknown>[]> {
  const text = await judged.post(path, body);
  const data = [...text.matchAll(/^data: (\{.*)$/gm)].map(([, line]) => JSON.parse(line ?? ""));
  return data;
}

function warning(...characters: string[]) {
  return [{ code: "unknown_characters", message: expect.stringContaining("lacks characters"), characters }];
}

beforeAll(async () => {
  policy = await exportTinyModel("t5-v1.1");
  process = await exportTinyModel("t5-v1.0", { processReward: true });
  judged = appOf("policy");
  processed = appOf("process");
});
afterAll(async () => {
  await policy.remove();
  await process.remove();
});

describe("/generate", () => {
  const parameters = { max_new_tokens: MAX_TOKENS };

  test("counts the prompt's and the prefix's, and names each character once, in their order", async () => {
    const answer = await json("/generate", { inputs: PROMPT, parameters: { ...parameters, prefix: "J < a" } });
    expect(answer).toMatchObject({ usage: { unknown_tokens: 5 }, warnings: warning("<", "{", "}", "J") });
  });

  test("a run of them is one token", async () => {
    const answer = await json("/generate", { inputs: "a <<{>> b", parameters });
    expect(answer).toMatchObject({ usage: { unknown_tokens: 1 }, warnings: warning("<", "{", ">") });
  });

  test("says nothing where all are known", async () => {
    const answer = await json("/generate", { inputs: "Is 3 + 4 so?", parameters });
    expect(answer).toMatchObject({ usage: { unknown_tokens: 0 } });
    expect(answer).not.toHaveProperty("warnings");
  });

  test("beams and searches tell it as well", async () => {
    const beams = await json("/generate", { inputs: PROMPT, parameters: { ...parameters, num_beams: 2 } });
    expect(beams).toMatchObject({ usage: { unknown_tokens: 3 }, warnings: warning("<", "{", "}") });
    const search = { type: "step_beam", width: 1, expand: 2, depth: 2, max_step_tokens: 4, budget_tokens: 16 };
    const found = await json("/generate", { inputs: PROMPT, parameters: { search, seed: 1 } });
    expect(found).toMatchObject({ usage: { unknown_tokens: 3 }, warnings: warning("<", "{", "}") });
  });

  test("a stream tells it in its last event, and in no other", async () => {
    const all = await events("/generate_stream", { inputs: PROMPT, parameters });
    expect(all.at(-1)).toMatchObject({ details: { unknown_tokens: 3 }, warnings: warning("<", "{", "}") });
    for (const event of all.slice(0, -1)) expect(event).not.toHaveProperty("warnings");
  });

  test("names 20 characters at most, of text however long, and none in the log", async () => {
    const lacking = Array.from({ length: 2_000 }, (_, at) => String.fromCodePoint(0x4e00 + at));
    const answer = await json("/generate", { inputs: lacking.join(" "), parameters: { max_new_tokens: 1 } });
    expect(answer).toMatchObject({ error_type: "validation" }); // 4,001 tokens: too long
    const short = await json("/generate", { inputs: lacking.slice(0, 100).join(" a "), parameters });
    expect(short).toMatchObject({ usage: { unknown_tokens: 100 }, warnings: warning(...lacking.slice(0, 20)) });
    expect(judged.logs.join()).not.toMatch(/[\u4e00-\u9fff]/);
  });

  test("a character that is taken apart is named by the part that is lacking", async () => {
    const answer = await json("/generate", { inputs: "a ½ b", parameters }); // read as "1⁄2"
    expect(answer).toMatchObject({ usage: { unknown_tokens: 1 }, warnings: warning("⁄") });
  });
});

describe("scores", () => {
  test("a judge reads the prompt with each step: its unknown tokens are counted as often", async () => {
    // two questions: both hold the prompt's three; the first asks about "3 < 4", the second has it among the earlier steps
    const answer = await json("/score", { prompt: PROMPT, completion: "3 < 4\nso" });
    expect(answer).toMatchObject({ usage: { unknown_tokens: 8 }, warnings: warning("<", "{", "}") });
  });

  test("a process reward model reads the prompt and each completion once, equal ones together", async () => {
    const completions = ["3 < 4\nso", "3 < 4\nso", "J"];
    const answer = await json("/score", { prompt: PROMPT, completions }, processed);
    expect(answer).toMatchObject({ usage: { unknown_tokens: 5 }, warnings: warning("<", "{", "}", "J") });
  });

  test("rerankers and OpenRLHF are told, where their shape is an object", async () => {
    const solutions = ["3 < 4", "so"]; // of a process reward model: three, one and none
    const ranked = await json("/rerank", { query: PROMPT, documents: solutions }, processed);
    expect(ranked).toMatchObject({ usage: { unknown_tokens: 4 }, warnings: warning("<", "{", "}") });
    const scored = await json("/v1/score", { text_1: PROMPT, text_2: solutions }, processed);
    expect(scored).toMatchObject({ usage: { unknown_tokens: 4 }, warnings: warning("<", "{", "}") });
    const rewards = await json("/get_reward", { query: ["a\n3 < 4"] }, processed);
    expect(rewards).toMatchObject({ warnings: warning("<") });
  });
});

describe("OpenAI's shapes", () => {
  const chat = { messages: [{ role: "user", content: PROMPT }], max_tokens: MAX_TOKENS };

  test("count under usage, and stay as they were where there is nothing to tell", async () => {
    const answer = await json("/v1/chat/completions", chat);
    expect(answer).toMatchObject({ usage: { unknown_tokens: 3 }, warnings: warning("<", "{", "}") });
    const known = await json("/v1/chat/completions", { ...chat, messages: [{ role: "user", content: "3 + 4" }] });
    expect(Object.keys(known)).toEqual(["id", "created", "model", "object", "choices", "usage"]);
    expect(Object.keys(Object(known.usage))).toEqual(["prompt_tokens", "completion_tokens", "total_tokens"]);
  });

  test("several prompts are told of together", async () => {
    const answer = await json("/v1/completions", { prompt: [PROMPT, "J", "a"], max_tokens: MAX_TOKENS });
    expect(answer).toMatchObject({ usage: { unknown_tokens: 4 }, warnings: warning("<", "{", "}", "J") });
  });

  test.each([
    ["/v1/chat/completions", chat],
    ["/v1/completions", { prompt: PROMPT, max_tokens: MAX_TOKENS }],
  ])("a stream of %s: the characters with why the text ended, the count in the usage", async (path, body) => {
    const all = await events(path, { ...body, stream: true, stream_options: { include_usage: true } });
    expect(all.at(-2)).toMatchObject({
      choices: [{ finish_reason: expect.any(String) }],
      warnings: warning("<", "{", "}"),
    });
    expect(all.at(-1)).toMatchObject({ choices: [], usage: { unknown_tokens: 3 } });
  });
});

test("a record of a batch tells what both of its answers lack", async () => {
  const pair = { prompt: PROMPT, chosen: "3 < 4", rejected: "J" };
  const answer = await runRecord(processed.deps, {
    line: { customId: "1", url: "/infer", body: pair },
    id: "1",
    requestId: "1",
    client: "a",
    parameters: {
      concurrency: 1,
      priority: "normal" as const,
      maxNewTokens: MAX_TOKENS,
      aggregation: null,
      maxTotalTokens: null,
    },
  });
  // /generate: 3; /score: the prompt's 3, and one of each side
  expect(answer.body).toMatchObject({ usage: { unknown_tokens: 8 }, warnings: warning("<", "{", "}", "J") });
});
