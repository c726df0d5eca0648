// Server-sent events against a fake engine: heartbeats, failures before and after the first event, stop strings, chats as prompts.

import { describe, expect, test } from "vitest";
import { newCall } from "../../src/edge/http/call.ts";
import { createMetrics } from "../../src/edge/http/metrics.ts";
import { streamEvents } from "../../src/edge/http/sse.ts";
import { chatPrompt } from "../../src/edge/routes/openai/chat-prompt.ts";
import { createStopFilter } from "../../src/edge/routes/openai/stop-text.ts";
import { CapacityError } from "../../src/shared/errors.ts";
import { appOn, fakeEngine } from "./fake-engine.ts";

const quick = { settleMs: 10, heartbeatMs: 20 };
const later = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe("events", () => {
  const deps = { log: () => undefined, metrics: createMetrics() };

  test("a comment comes while nothing else does, then the events in order", async () => {
    let release: () => void = () => undefined;
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    const response = await streamEvents(
      deps,
      newCall("r", "c"),
      async (send) => {
        await released;
        send({ a: 1 });
        send("two\nlines", "named");
      },
      quick,
    );
    const reader = response.body?.getReader();
    const read = async () => new TextDecoder().decode((await reader?.read())?.value);
    expect([await read(), await read()]).toEqual([": waiting\n\n", ": waiting\n\n"]);
    release();
    let rest = "";
    for (let text = await read(); text !== ""; text = await read()) rest += text;
    expect(rest).toMatch(/^(: waiting\n\n)*data: \{"a":1\}\n\nevent: named\ndata: two\ndata: lines\n\n$/);
  });

  test("a failure before the first event is thrown, a later one is an event", async () => {
    const busy = new CapacityError({ code: "busy", what: "the line is full" });
    await expect(streamEvents(deps, newCall("r", "c"), () => Promise.reject(busy), quick)).rejects.toBe(busy);
    const response = await streamEvents(
      deps,
      newCall("r", "c"),
      async (send) => {
        send({ a: 1 });
        await later(1);
        throw new Error("secret");
      },
      quick,
    );
    expect(await response.text()).toBe(
      'data: {"a":1}\n\nevent: error\ndata: {"error":"internal error","error_type":"internal","request_id":"r"}\n\n',
    );
  });

  test("a reader that leaves aborts the call", async () => {
    const call = newCall("r", "c");
    const work = async (send: (data: unknown) => void) => {
      send({ a: 1 });
      await new Promise((_, reject) => call.signal.addEventListener("abort", () => reject(call.signal.reason)));
    };
    const response = await streamEvents(deps, call, work, quick);
    const reader = response.body?.getReader();
    await reader?.read();
    expect(call.signal.aborted).toBe(false);
    await reader?.cancel();
    expect(call.signal.aborted).toBe(true);
  });

  test("a stream holds its caller's place until it ends", async () => {
    let finish: () => void = () => undefined;
    const engine = fakeEngine({
      generate: async (options) => {
        options.onToken?.({ candidate: 0, id: 5, text: "one", logp: -1, special: false });
        options.onToken?.({ candidate: 0, id: 1, text: "", logp: -1, special: true });
        await new Promise<void>((resolve) => {
          finish = resolve;
        });
        const candidate = { ids: [5, 1], tokenLogps: [-1, -1], tokenTexts: [], text: "one" };
        return { model: "m", promptTokens: 1, candidates: [{ ...candidate, finishReason: "eos_token" as const }] };
      },
    });
    const { app } = appOn(engine);
    const init = { method: "POST", body: JSON.stringify({ prompt: "x" }) };
    const response = await app.request("/generate_stream", init);
    const reader = response.body?.getReader();
    expect(new TextDecoder().decode((await reader?.read())?.value)).toContain('"text":"one"');
    finish();
    const rest = new TextDecoder().decode((await reader?.read())?.value);
    expect(rest).toContain('"generated_text":"one"');
    expect((await reader?.read())?.done).toBe(true);
  });
});

describe("stop strings in a stream", () => {
  test("what may begin one is held back until it is known", () => {
    const filter = createStopFilter(["END", "Stop"]);
    expect(filter.add("a E")).toBe("a ");
    expect(filter.add("Nx S")).toBe("ENx ");
    expect(filter.add("to")).toBe("");
    expect(filter.add("p more")).toBe("");
    expect(filter.end("a ENx Stop")).toBe("");
  });

  test("without one, everything is given in the end", () => {
    const filter = createStopFilter(["END"]);
    expect(filter.add("a EN")).toBe("a ");
    expect(filter.end("a EN")).toBe("EN");
  });
});

describe("a chat as a prompt", () => {
  test("one question stands as it is, after the system's words", () => {
    expect(chatPrompt([{ role: "user", content: "Q?" }])).toEqual({ prompt: "Q?", prefix: undefined });
    const parts = [{ type: "text" as const, text: "Q?" }];
    expect(
      chatPrompt([
        { role: "system", content: "S." },
        { role: "user", content: parts },
      ]).prompt,
    ).toBe("S.\nQ?");
  });

  test("several turns stand after their roles; the assistant's last words begin the answer", () => {
    expect(
      chatPrompt([
        { role: "user", content: "A?" },
        { role: "assistant", content: "B." },
        { role: "user", content: "C?" },
        { role: "assistant", content: "D" },
      ]),
    ).toEqual({ prompt: "User: A?\nAssistant: B.\nUser: C?", prefix: "D" });
  });

  const wrong: [string, unknown, string][] = [
    ["no message", { messages: [] }, 'field "messages"'],
    ["no user", { messages: [{ role: "system", content: "x" }] }, "no message of the user"],
    ["a tool's answer", { messages: [{ role: "tool", content: "x" }] }, 'field "messages[0].role"'],
    ["an image", { messages: [{ role: "user", content: [{ type: "image_url" }] }] }, 'field "messages[0].content"'],
    ["tools", { messages: [{ role: "user", content: "x" }], tools: [{ type: "function" }] }, 'field "tools"'],
    [
      "JSON",
      { messages: [{ role: "user", content: "x" }], response_format: { type: "json_object" } },
      "response_format",
    ],
    ["a typing error", { messages: [{ role: "user", content: "x" }], temprature: 1 }, 'field "temprature"'],
  ];
  test.each(wrong)("%s is a 422 that names the field", async (_, body, message) => {
    const { status, json } = await appOn(fakeEngine()).call("/v1/chat/completions", body);
    expect(status).toBe(422);
    expect(json).toMatchObject({ error: expect.stringContaining(message), error_type: "validation" });
  });
});

test("/get_reward checks all queries before the first is scored, and asks the engine once", async () => {
  const engine = fakeEngine();
  const { call } = appOn(engine);
  expect((await call("/get_reward", { query: ["Q\nab", "no response"] })).status).toBe(422);
  const many = Array.from({ length: 64 }, (_, i) => `Q${i}\n${"s\n".repeat(400)}`);
  expect((await call("/get_reward", { query: many })).status).toBe(422);
  expect(engine.scored).toEqual([]);
  expect((await call("/get_reward", { query: ["Q\nab", "R\na", "Q\nabcd"] })).json).toEqual({
    rewards: [0.5, 1, 0.25],
  });
  expect(engine.scored.map(({ completions }) => completions.length)).toEqual([3]);
});

test("a chat's answer does not repeat what it begins with, streamed or not", async () => {
  const engine = fakeEngine({
    generate: async (options) => {
      engine.generated.push(options);
      options.onToken?.({ candidate: 0, id: 5, text: " = 7", logp: -1, special: false });
      options.onToken?.({ candidate: 0, id: 1, text: "", logp: -1, special: true });
      const candidate = { ids: [5, 1], tokenLogps: [-1, -1], tokenTexts: [], text: "3 + 4 = 7" };
      return { model: "policy-model", promptTokens: 1, candidates: [{ ...candidate, finishReason: "eos_token" }] };
    },
  });
  const { call } = appOn(engine);
  const messages = [
    { role: "user", content: "Q?" },
    { role: "assistant", content: "3 + 4" },
  ];
  const whole = await call("/v1/chat/completions", { messages });
  expect(engine.generated[0]?.prefix).toBe("3 + 4");
  expect(whole.json).toMatchObject({ choices: [{ message: { content: " = 7" }, logprobs: null }] });
  const { text } = await call("/v1/chat/completions", { messages, stream: true });
  expect(text.match(/"content":"[^"]*"/g)).toEqual(['"content":""', '"content":" = 7"']);
});

test("a temperature next to nothing is greedy, a penalty next to nothing refused", async () => {
  const engine = fakeEngine();
  const { call } = appOn(engine);
  expect((await call("/generate", { prompt: "x", parameters: { temperature: 5e-324 } })).status).toBe(200);
  expect(engine.generated[0]?.sampling.doSample).toBe(false);
  const refused = await call("/generate", { prompt: "x", parameters: { repetition_penalty: 1e-45 } });
  expect(refused).toMatchObject({ status: 422 });
});

test("a process reward model as policy is told by /health", async () => {
  const { policy, reward } = await fakeEngine().load();
  const served = { ...policy, manifest: { ...policy.manifest, reward: { type: "process" as const } } };
  const { status, json } = await appOn(fakeEngine({ load: async () => ({ policy: served, reward }) })).call("/health");
  expect(status).toBe(503);
  expect(json).toMatchObject({ error: expect.stringContaining("POLICY_MODEL"), error_type: "unavailable" });
});
