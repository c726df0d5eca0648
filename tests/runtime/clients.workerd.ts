// The packages that people use, against the worker in real workerd on the models that ship; what they get is held to the plain answer of
// onnxruntime-node on the same files.

import { cp, mkdtemp, readFile, rm } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { InferenceClient } from "@huggingface/inference";
import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { prepareEdgePages } from "../../src/infer/edge-pages.ts";
import { type LocalWorker, startLocalWorker } from "../../src/infer/local-worker.ts";
import { startServer } from "../../src/serve/serve.ts";
import { exportOnnx } from "../../src/train/onnx/export/export-onnx.ts";
import { openReference, type Reference } from "./reference.ts";

const PROMPT = "Mia has 12 apples. Then she gets 7 apples from Tom. How many apples does Mia have now?";
const OTHER = "Tom has 3 apples and buys 4 more apples. How many apples does Tom have now?";

let folder = "";
let worker: LocalWorker;
let reference: Reference;
let openai: OpenAI;
/** Greedy texts by onnxruntime-node. */
const greedy = new Map<string, string>();

async function exported(name: string): Promise<string> {
  const modelDir = join(folder, name);
  await cp(join("data/models", name), modelDir, { recursive: true });
  await exportOnnx({ modelDir, name });
  return modelDir;
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "stepwise-clients-"));
  const policyDir = await exported("stepwise-t5-nano");
  const rewardDir = await exported("stepwise-t5-nano-prm");
  worker = await startLocalWorker({ policyDir, rewardDir, dtype: "fp32" });
  openai = new OpenAI({ baseURL: `${worker.url}/v1`, apiKey: "none", maxRetries: 0 });
  reference = await openReference(policyDir, "");
  for (const prompt of [PROMPT, OTHER]) greedy.set(prompt, reference.decode(await reference.greedy(prompt, 64)));
});
afterAll(async () => {
  await worker.stop();
  await rm(folder, { recursive: true, force: true });
});

const MODEL = "stepwise-t5-nano";
/** T5's `</s>`. */
const END_OF_TEXT = 1;

/** A request whose body never comes whole; `answer` is the status line that it gets in the end. */
function halfSent(): { socket: Socket; answer: Promise<string> } {
  const { hostname, port } = new URL(worker.url);
  const socket = connect(Number(port), hostname);
  socket.write(`POST /generate HTTP/1.1\r\nhost: ${hostname}\r\ncontent-length: 500\r\n\r\n{"prompt":`);
  const answer = new Promise<string>((resolve) => {
    let text = "";
    socket.on("data", (data) => {
      text += String(data);
      if (text.includes("\r\n")) resolve(text.slice(0, text.indexOf("\r\n")));
    });
    socket.on("error", () => resolve("broken off"));
    socket.on("close", () => resolve("closed"));
  });
  return { socket, answer };
}

describe("bodies that are never whole", () => {
  test("are given up, and only so many are waited for meanwhile", async () => {
    const ask = async () => {
      const init = { method: "POST", headers: { connection: "close" }, body: '{"prompt":' };
      return (await fetch(`${worker.url}/generate`, init)).status;
    };
    const one = halfSent();
    const others = Array.from({ length: 80 }, () => halfSent());
    // not JSON, where it is read at all
    await expect.poll(ask, { timeout: 10_000, interval: 50 }).toBe(503);
    for (const { socket } of others) socket.destroy();
    await expect.poll(ask, { timeout: 30_000, interval: 100 }).toBe(400);
    expect(["HTTP/1.1 408 Request Timeout", "HTTP/1.1 503 Service Unavailable"]).toContain(await one.answer);
    one.socket.destroy();
  });
});

test("npm run serve, on Node, gives the same answers", async () => {
  const [policyDir, rewardDir] = [join(folder, MODEL), join(folder, `${MODEL}-prm`)];
  const log: string[] = [];
  let stopping: Promise<void> | undefined;
  const server = await startServer({
    policyDir,
    rewardDir,
    dtype: "fp32",
    host: "127.0.0.1",
    port: 0,
    env: {},
    preparePages: prepareEdgePages,
    log: (line) => log.push(line),
  });
  try {
    const ask = async (url: string, path: string, body: unknown) => {
      const init = {
        method: "POST",
        body: JSON.stringify(body),
        headers: { connection: "close", "x-request-id": "r" },
      };
      const response = await fetch(`${url}${path}`, init);
      return { status: response.status, text: (await response.text()).replace(/-?\d+\.\d+(e-\d+)?/g, "NUMBER") };
    };
    const sampled = { temperature: 0.8, seed: 5, max_new_tokens: 40, details: true };
    const asked: [string, unknown][] = [
      ["/generate", { prompt: PROMPT, parameters: { details: true } }],
      ["/generate", { prompt: OTHER, parameters: sampled }],
      ["/generate_stream", { inputs: PROMPT }],
      ["/score", { prompt: PROMPT, chosen: "Mia has 12 + 7 = 19 apples.\nA: 19", rejected: "A: 5" }],
      ["/generate", { prompt: "apples ".repeat(2_000) }],
      ["/score", { prompt: PROMPT }],
    ];
    for (const [path, body] of asked)
      expect(await ask(server.url, path, body)).toEqual(await ask(worker.url, path, body));
    // numbers differ in the last digits only
    const chosen = async (url: string): Promise<number> => {
      const body = JSON.stringify({ prompt: PROMPT, chosen: "Mia has 12 + 7 = 19 apples.\nA: 19", rejected: "A: 5" });
      const response = await fetch(`${url}/score`, { method: "POST", body, headers: { connection: "close" } });
      return Object(await response.json()).chosen_score;
    };
    expect(await chosen(server.url)).toBeCloseTo(await chosen(worker.url), 4);
    const page = await fetch(`${server.url}/docs/swagger-ui-bundle.js`, { headers: { connection: "close" } });
    expect([page.status, (await page.arrayBuffer()).byteLength > 100_000]).toEqual([200, true]);
    expect(log.length).toBeGreaterThan(asked.length);
    const measures = await (await fetch(`${server.url}/metrics`, { headers: { connection: "close" } })).text();
    // three were generated and one was scored before
    expect(Number(/^stepwise_queue_wait_seconds_count (\d+)$/m.exec(measures)?.[1])).toBeGreaterThanOrEqual(4);
    expect(measures).toMatch(/^stepwise_first_token_seconds_count [1-9]\d*$/m);
    // a stream that has begun is not cut off by a stop
    const init = { method: "POST", body: JSON.stringify({ inputs: PROMPT }), headers: { connection: "close" } };
    const reader = (await fetch(`${server.url}/generate_stream`, init)).body?.getReader();
    let stream = new TextDecoder().decode((await reader?.read())?.value);
    stopping = server.stop();
    for (let next = await reader?.read(); next?.value; next = await reader?.read())
      stream += new TextDecoder().decode(next.value);
    expect(stream).toContain('"finish_reason":"eos_token"');
  } finally {
    await (stopping ?? server.stop());
  }
  await expect(fetch(server.url)).rejects.toThrow();
});

describe("openai: completions", () => {
  test("a greedy completion is the reference's text, with usage", async () => {
    const answer = await openai.completions.create({ model: MODEL, prompt: PROMPT, temperature: 0, max_tokens: 64 });
    expect(answer.choices).toHaveLength(1);
    expect(answer.choices[0]).toMatchObject({ text: greedy.get(PROMPT), finish_reason: "stop" });
    const ids = await reference.greedy(PROMPT, 64);
    expect(answer.usage?.completion_tokens).toBe(ids.length);
  });

  test("a list of prompts gives a choice each, in their order", async () => {
    const prompt = [PROMPT, OTHER, PROMPT];
    const { choices } = await openai.completions.create({ model: MODEL, prompt, temperature: 0, max_tokens: 64 });
    expect(choices.map(({ text }) => text)).toEqual(prompt.map((one) => greedy.get(one)));
    expect(choices.map(({ index }) => index)).toEqual([0, 1, 2]);
  });

  test("a stream's pieces are the text, and usage comes last", async () => {
    const stream = await openai.completions.create({
      model: MODEL,
      prompt: PROMPT,
      temperature: 0,
      max_tokens: 64,
      stream: true,
      stream_options: { include_usage: true },
    });
    const chunks = [];
    for await (const chunk of stream) chunks.push(chunk);
    expect(chunks.map(({ choices }) => choices[0]?.text ?? "").join("")).toBe(greedy.get(PROMPT));
    const reasons = chunks.flatMap(({ choices }) => choices.map((choice) => choice.finish_reason as string | null));
    expect(reasons.filter((reason) => reason !== null)).toEqual(["stop"]);
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { completion_tokens: chunks.length - 1 } });
  });

  test("logprobs: the tokens are the text, each the likeliest of its place when greedy", async () => {
    const answer = await openai.completions.create({
      model: MODEL,
      prompt: PROMPT,
      temperature: 0,
      max_tokens: 64,
      logprobs: 3,
    });
    const [choice] = answer.choices;
    const { tokens = [], token_logprobs = [], top_logprobs = [], text_offset = [] } = choice?.logprobs ?? {};
    expect(tokens.join("")).toBe(choice?.text);
    tokens.forEach((token, at) => {
      expect(choice?.text.slice(text_offset[at], (text_offset[at] ?? 0) + token.length)).toBe(token);
      const top = Object.values(top_logprobs[at] ?? {});
      expect(top.length).toBeGreaterThan(0);
      // the likeliest are told as they would stand in the text, with their space
      expect(Object.keys(top_logprobs[at] ?? {})).toContain(token);
      expect(token_logprobs[at]).toBeCloseTo(Math.max(...top), 4);
      expect(token_logprobs[at]).toBeLessThanOrEqual(0);
    });
  });

  test("a seed gives the same text again; n choices; best_of returns its likeliest", async () => {
    const ask = { model: MODEL, prompt: PROMPT, temperature: 2, max_tokens: 32, seed: 7 };
    const [first, again] = [
      await openai.completions.create({ ...ask, n: 4, logprobs: 0 }),
      await openai.completions.create({ ...ask, n: 4 }),
    ];
    expect(first.choices.map(({ text }) => text)).toEqual(again.choices.map(({ text }) => text));
    expect(new Set(first.choices.map(({ text }) => text)).size).toBeGreaterThan(1);
    const best = await openai.completions.create({ ...ask, n: 1, best_of: 4 });
    expect(first.choices.map(({ text }) => text)).toContain(best.choices[0]?.text);
    expect(best.choices).toHaveLength(1);
  });

  test("the stop string ends the text and is no part of it, streamed or not", async () => {
    const [line = ""] = (greedy.get(PROMPT) ?? "").split("\n");
    const ask = { model: MODEL, prompt: PROMPT, temperature: 0, max_tokens: 64, stop: [" apples.\n"] };
    const answer = await openai.completions.create(ask);
    expect(answer.choices[0]).toMatchObject({ text: line.replace(/ apples\.$/, ""), finish_reason: "stop" });
    let text = "";
    for await (const chunk of await openai.completions.create({ ...ask, stream: true })) {
      text += chunk.choices[0]?.text ?? "";
    }
    expect(text).toBe(answer.choices[0]?.text);
  });

  test("what an encoder-decoder cannot give is said", async () => {
    const asked = openai.completions.create({ model: MODEL, prompt: PROMPT, echo: true, logprobs: 1 });
    await expect(asked).rejects.toThrow(/encoder-decoder reads the prompt in its encoder.*field \\"echo\\"/);
    await expect(asked).rejects.toBeInstanceOf(OpenAI.UnprocessableEntityError);
  });
});

describe("openai: chat and models", () => {
  const messages = [{ role: "user" as const, content: PROMPT }];

  test("one question is the prompt", async () => {
    const answer = await openai.chat.completions.create({ model: MODEL, messages, temperature: 0, max_tokens: 64 });
    expect(answer.choices[0]).toMatchObject({
      message: { role: "assistant", content: greedy.get(PROMPT) },
      finish_reason: "stop",
    });
  });

  test("a stream's deltas are the message", async () => {
    const ask = { model: MODEL, messages, temperature: 0, max_completion_tokens: 64, logprobs: true, top_logprobs: 2 };
    let content = "";
    const reasons = [];
    for await (const { choices } of await openai.chat.completions.create({ ...ask, stream: true })) {
      content += choices[0]?.delta.content ?? "";
      if (choices[0]?.finish_reason) reasons.push(choices[0].finish_reason);
    }
    expect(content).toBe(greedy.get(PROMPT));
    expect(reasons).toEqual(["stop"]);
    const whole = await openai.chat.completions.create(ask);
    expect(whole.choices[0]?.logprobs?.content?.map(({ token }) => token).join("")).toBe(content);
    expect(whole.choices[0]?.logprobs?.content?.[0]?.top_logprobs).toHaveLength(2);
  });

  test("the package's own stream helper assembles the answer", async () => {
    const runner = openai.chat.completions.stream({ model: MODEL, messages, temperature: 0, max_tokens: 64 });
    expect(await runner.finalContent()).toBe(greedy.get(PROMPT));
  });

  test("models are listed and found by name; another name is a 404", async () => {
    const names = [];
    for await (const model of openai.models.list()) names.push(model.id);
    expect(names).toEqual([MODEL, "stepwise-t5-nano-prm"]);
    expect(await openai.models.retrieve(MODEL)).toMatchObject({ id: MODEL, object: "model" });
    await expect(openai.models.retrieve("gpt")).rejects.toBeInstanceOf(OpenAI.NotFoundError);
    const asked = openai.chat.completions.create({ model: "gpt-4", messages });
    await expect(asked).rejects.toBeInstanceOf(OpenAI.NotFoundError);
  });
});

describe("openai: searches by step scores", () => {
  const search = { type: "step_beam", width: 2, expand: 4, budget_tokens: 400 };
  const ask = { model: MODEL, prompt: PROMPT, max_tokens: 64, seed: 3, search, n: 1 };
  const messages = [{ role: "user" as const, content: PROMPT }];

  test("a search's answer has the scores that /score gives to its steps, and its stream is the same text", async () => {
    const answer = await openai.completions.create(ask);
    const [choice] = answer.choices;
    const scored = await fetch(`${worker.url}/score`, {
      method: "POST",
      headers: { connection: "close" },
      body: JSON.stringify({ prompt: PROMPT, completion: choice?.text }),
    });
    const { steps, score } = Object(await scored.json()).data[0];
    expect(Object(choice).score).toBeCloseTo(score, 4);
    expect(Object(choice).steps.map(({ text }: { text: string }) => text)).toEqual(
      steps.map(({ text }: { text: string }) => text),
    );
    let text = "";
    for await (const chunk of await openai.completions.create({ ...ask, stream: true }))
      text += chunk.choices[0]?.text ?? "";
    expect(text).toBe(choice?.text);
    const chat = { model: MODEL, messages, max_tokens: 64, seed: 3, search };
    expect(await openai.chat.completions.stream(chat).finalContent()).toBe(text);
    // the same search at TGI's path
    const tgi = { inputs: PROMPT, parameters: { search, seed: 3, max_new_tokens: 64 } };
    const init = { method: "POST", headers: { connection: "close" }, body: JSON.stringify(tgi) };
    const stream = await (await fetch(`${worker.url}/generate_stream`, init)).text();
    expect(JSON.parse(/^data: (.*)$/m.exec(stream.trim().split("\n\n").at(-1) ?? "")?.[1] ?? "")).toMatchObject({
      generated_text: text,
      usage: { completion_tokens: answer.usage?.completion_tokens },
    });
    expect(stream.match(/^event: step$/gm)).toHaveLength(steps.length);
  });

  test("best of several by step score is the one of them that scores best", async () => {
    const drawn = { model: MODEL, prompt: PROMPT, max_tokens: 64, temperature: 1, seed: 11, score_steps: true };
    const all = await openai.completions.create({ ...drawn, n: 4 });
    const best = await openai.completions.create({ ...drawn, n: 1, best_of: 4, ...{ rank_by: "score" } });
    const scores = all.choices.map((choice): number => Object(choice).score);
    expect(Object(best.choices[0]).score).toBeCloseTo(Math.max(...scores), 6);
  });

  test("beams: the streamed text is the best beam's", async () => {
    const beams = { model: MODEL, prompt: PROMPT, max_tokens: 64, num_beams: 3 };
    const whole = await openai.completions.create(beams);
    let text = "";
    for await (const chunk of await openai.completions.create({ ...beams, stream: true }))
      text += chunk.choices[0]?.text ?? "";
    expect(text).toBe(whole.choices[0]?.text);
  });

  test("too many tokens are refused in OpenAI's words", async () => {
    const asked = openai.completions.create({ model: MODEL, prompt: PROMPT, max_tokens: 100_000 });
    await expect(asked).rejects.toThrow(/the limit of model .* is 512 \(field \\"max_tokens\\"\)/);
  });
});

describe("@huggingface/inference", () => {
  const client = () => new InferenceClient("none", { endpointUrl: worker.url });
  const parameters = { max_new_tokens: 64, do_sample: false };

  test("textGeneration", async () => {
    const answer = await client().textGeneration({ inputs: PROMPT, parameters });
    expect(answer.generated_text).toBe(greedy.get(PROMPT));
  });

  test("textGeneration with every parameter of a sampled request", async () => {
    const all = { max_new_tokens: 16, temperature: 0.7, top_k: 5, top_p: 0.9, repetition_penalty: 1.1, seed: 3 };
    const ask = { inputs: PROMPT, parameters: { ...all, do_sample: true, details: true, return_full_text: false } };
    const [first, again] = [await client().textGeneration(ask), await client().textGeneration(ask)];
    expect(first.generated_text.length).toBeGreaterThan(0);
    expect(again.generated_text).toBe(first.generated_text);
  });

  test("textGenerationStream", async () => {
    let text = "";
    let whole: string | null | undefined;
    for await (const { token, generated_text } of client().textGenerationStream({ inputs: PROMPT, parameters })) {
      text += token.text;
      whole = generated_text;
    }
    expect(text).toBe(greedy.get(PROMPT));
    expect(whole).toBe(greedy.get(PROMPT));
  });

  test("chatCompletion and its stream, with the endpoint's own name for a model", async () => {
    const ask = { model: "tgi", messages: [{ role: "user", content: PROMPT }], max_tokens: 64, temperature: 0 };
    const answer = await client().chatCompletion(ask);
    expect(answer.choices[0]?.message.content).toBe(greedy.get(PROMPT));
    let content = "";
    for await (const chunk of client().chatCompletionStream(ask)) content += chunk.choices[0]?.delta.content ?? "";
    expect(content).toBe(greedy.get(PROMPT));
  });

  test("a request of another kind, which goes to the root", async () => {
    const answer = await client().request({ inputs: PROMPT, parameters });
    expect(answer).toMatchObject([{ generated_text: greedy.get(PROMPT) }]);
  });
});

test("every request that Python's huggingface_hub was recorded to send is taken", async () => {
  const { requests } = JSON.parse(await readFile("tests/golden/tgi-python-requests.json", "utf8"));
  for (const { path, body } of requests) {
    const init = { method: "POST", headers: { connection: "close" }, body: JSON.stringify(body) };
    const response = await fetch(`${worker.url}${path}`, init);
    expect([path, response.status, (await response.text()).includes("error")]).toEqual([path, 200, false]);
  }
});

describe("TGI's own stream", () => {
  /** Events of a stream, by their name. */
  async function eventsOf(response: Response): Promise<{ event: string; data: Record<string, unknown> }[]> {
    const blocks = (await response.text()).split("\n\n").filter((block) => block.includes("data: "));
    return blocks.map((block) => {
      const event = /^event: (.*)$/m.exec(block)?.[1] ?? "message";
      return { event, data: JSON.parse(/^data: (.*)$/m.exec(block)?.[1] ?? "null") };
    });
  }
  const post = (path: string, body: unknown, signal?: AbortSignal) =>
    fetch(`${worker.url}${path}`, {
      method: "POST",
      body: JSON.stringify(body),
      headers: { connection: "close" },
      ...(signal !== undefined && { signal }),
    });

  test("a token an event, the last with the text and details", async () => {
    const response = await post("/generate_stream", { inputs: PROMPT, parameters: { max_new_tokens: 64 } });
    expect(response.headers.get("content-type")).toContain("text/event-stream");
    const events = (await eventsOf(response)).map(({ data }) => data);
    const ids = await reference.greedy(PROMPT, 64);
    expect(events.map(({ token }) => Object(token).id)).toEqual(ids);
    expect(events.map(({ token }) => Object(token).text).join("")).toBe(greedy.get(PROMPT));
    expect(events.slice(0, -1).every((event) => event.generated_text === null)).toBe(true);
    expect(events.at(-1)).toMatchObject({
      index: ids.length,
      token: { special: true },
      generated_text: greedy.get(PROMPT),
      details: { finish_reason: "eos_token", generated_tokens: ids.length },
    });
  });

  test("score_steps: each step is an event, with the score that /score gives it", async () => {
    const response = await post("/generate", { prompt: PROMPT, stream: true, parameters: { score_steps: true } });
    const steps = (await eventsOf(response)).filter(({ event }) => event === "step").map(({ data }) => data);
    const scored: unknown = await (await post("/score", { prompt: PROMPT, completion: greedy.get(PROMPT) })).json();
    const expected: { index: number; text: string; score: number }[] = Object(scored).data[0].steps;
    expect(steps.map(({ index, text }) => [index, text])).toEqual(expected.map(({ index, text }) => [index, text]));
    steps.forEach((step, at) => {
      expect(step.score).toBeCloseTo(expected[at]?.score ?? Number.NaN, 4);
    });
  });

  test("a reader that leaves stops the work", async () => {
    const generated = async () => {
      const text = await (await fetch(`${worker.url}/metrics`, { headers: { connection: "close" } })).text();
      return {
        running: Number(/^stepwise_requests_running (\d+)$/m.exec(text)?.[1]),
        tokens: Number(/^stepwise_generated_tokens_total (\d+)$/m.exec(text)?.[1]),
      };
    };
    // the tests before may have left something that is counted a moment later
    const settled = async () => {
      let last = await generated();
      const isStill = async () => {
        const previous = last;
        last = await generated();
        return last.running === 0 && last.tokens === previous.tokens;
      };
      await expect.poll(isStill, { timeout: 20_000, interval: 300 }).toBe(true);
      return last;
    };
    const before = await settled();
    const leave = new AbortController();
    // seconds of work, in which no text is finished: the end of a text is never drawn
    const body = {
      prompt: [PROMPT, OTHER, PROMPT, OTHER],
      n: 8,
      max_tokens: 512,
      temperature: 2,
      logit_bias: { [END_OF_TEXT]: -100 },
      stream: true,
      seed: 1,
    };
    const response = await post("/v1/completions", body, leave.signal);
    const reader = response.body?.getReader();
    await reader?.read();
    expect((await generated()).running).toBeGreaterThan(0);
    leave.abort();
    await reader?.read().catch(() => undefined);
    // what was written counts; all 32 texts to their ends would be 16,384 tokens
    const counted = (await settled()).tokens - before.tokens;
    expect(counted).toBeGreaterThan(0);
    expect(counted).toBeLessThan(32 * 512);
  });

  test("a prompt over the limit is a 422 before any event", async () => {
    const response = await post("/generate_stream", { prompt: "apples ".repeat(2_000) });
    expect(response.status).toBe(422);
    expect(await response.json()).toMatchObject({ error_type: "validation" });
  });
});

test("/docs is a page with its own script alone, and shows what /openapi.json says", async () => {
  const get = (path: string) => fetch(`${worker.url}${path}`, { headers: { connection: "close" } });
  const page = await get("/docs");
  expect(page.headers.get("content-security-policy")).toContain("default-src 'none'; script-src 'self'");
  const scripts = [...(await page.text()).matchAll(/(?:src|href)="(\/[^"]+)"/g)].map(([, path]) => path ?? "");
  expect(scripts).toHaveLength(3);
  for (const path of scripts) expect((await get(path)).status).toBe(200);
  for (const path of ["/docs/none.js", "/docs/..%2fpolicy%2fconfig.json", "/docs/config.json"])
    expect((await get(path)).status).toBe(404);
});

describe("rerankers", () => {
  const right = "Mia has 12 + 7 = 19 apples.\nA: 19";
  const wrong = "Mia has 12 - 7 = 5 apples.\nA: 5";
  const post = async (path: string, body: unknown): Promise<unknown> =>
    (
      await fetch(`${worker.url}${path}`, {
        method: "POST",
        body: JSON.stringify(body),
        headers: { connection: "close" },
      })
    ).json();

  test("TEI's, vLLM's and this worker's own shape give one score", async () => {
    const own = await post("/score", { prompt: PROMPT, completions: [wrong, right] });
    const [low, high]: number[] = Object(own).data.map(({ score }: { score: number }) => score);
    expect(high).toBeGreaterThan(low ?? Number.NaN);
    expect(await post("/rerank", { query: PROMPT, texts: [wrong, right], return_text: true })).toEqual([
      { index: 1, score: high, text: right },
      { index: 0, score: low, text: wrong },
    ]);
    expect(await post("/v1/rerank", { query: PROMPT, documents: [wrong, right], top_n: 1 })).toMatchObject({
      results: [{ index: 1, relevance_score: high, document: { text: right } }],
    });
    const pairs = { model: MODEL, text_1: PROMPT, text_2: [wrong, right] };
    for (const path of ["/score", "/v1/score"]) {
      expect(await post(path, pairs)).toMatchObject({
        object: "list",
        data: [
          { index: 0, score: low },
          { index: 1, score: high },
        ],
      });
    }
  });
});
