// What the engine refuses is told in the words of the API that was spoken to.

import { expect, test } from "vitest";
import { InputError } from "../../src/shared/errors.ts";
import { appOn, fakeEngine } from "./fake-engine.ts";

function refusing(field: string) {
  const refuse = () =>
    Promise.reject(new InputError({ code: "too_long", what: "too much", where: `field "${field}"`, fix: "Less." }));
  return appOn(fakeEngine({ generate: refuse, score: refuse }));
}
const chat = { messages: [{ role: "user", content: "x" }] };
const begun = { messages: [...chat.messages, { role: "assistant", content: "y" }] };

test.each([
  ["/generate", { prompt: "x" }, "prompt", "prompt"],
  ["/generate", { inputs: "x" }, "prompt", "inputs"],
  ["/generate", { inputs: "x" }, "max_new_tokens", "parameters.max_new_tokens"],
  ["/generate_stream", { inputs: "x" }, "max_new_tokens", "parameters.max_new_tokens"],
  ["/v1/completions", { prompt: "x" }, "max_new_tokens", "max_tokens"],
  ["/v1/completions", { prompt: "x", stream: true }, "max_new_tokens", "max_tokens"],
  ["/v1/completions", { prompt: ["x"] }, "prompt", "prompt[0]"],
  ["/v1/completions", { prompt: "x", search: { type: "dvts" } }, "max_new_tokens", "max_tokens"],
  ["/v1/chat/completions", chat, "max_new_tokens", "max_completion_tokens"],
  ["/v1/chat/completions", { ...chat, max_tokens: 3 }, "max_new_tokens", "max_tokens"],
  ["/v1/chat/completions", { ...chat, stream: true }, "prompt", "messages"],
  ["/v1/chat/completions", begun, "prefix", "messages[1].content"],
  ["/rerank", { query: "q", texts: ["a"] }, "prompt", "query"],
  ["/rerank", { query: "q", texts: ["a"] }, "texts[0]", "texts[0]"],
  ["/score", { text_1: "q", text_2: "a" }, "prompt", "text_1"],
  ["/v1/score", { queries: ["q", "r"], documents: ["a", "b"] }, "prompt", "queries[0]"],
  ["/score", { prompt: "q", completion: "a" }, "completion", "completion"],
])("%s %j: the engine's %s is the caller's %s", async (path, body, engines, callers) => {
  const { status, json } = await refusing(engines).call(path, body);
  expect(status).toBe(422);
  expect(json).toEqual({ error: `too much (field "${callers}"). Less.`, error_type: "validation" });
});

test("only the engine's own names are replaced", async () => {
  const { json } = await refusing("toString").call("/generate", { prompt: "x" });
  expect(json).toMatchObject({ error: 'too much (field "toString"). Less.' });
});
