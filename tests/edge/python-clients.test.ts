// What Python's huggingface_hub sends to a server that it knows by its URL, as it was recorded, and what it reads in the answers.

import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { z } from "zod";
import { appOn, fakeEngine } from "./fake-engine.ts";

const recorded = z
  .object({ requests: z.array(z.object({ call: z.string(), path: z.string(), body: z.looseObject({}) })) })
  .parse(JSON.parse(readFileSync(new URL("../golden/tgi-python-requests.json", import.meta.url), "utf8")));

// TextGenerationOutput, TextGenerationStreamOutput and their details, as the package declares them
const token = z.object({ id: z.number(), logprob: z.number(), special: z.boolean(), text: z.string() });
const reason = z.enum(["length", "eos_token", "stop_sequence"]);
const sequence = z.object({
  finish_reason: reason,
  generated_tokens: z.number(),
  prefill: z.array(z.unknown()),
  tokens: z.array(token),
  seed: z.number().nullable(),
});
const textGeneration = z.tuple([
  z.object({
    generated_text: z.string(),
    details: sequence
      .extend({ best_of_sequences: z.array(sequence.extend({ generated_text: z.string() })).optional() })
      .optional(),
  }),
]);
const streamOutput = z.object({
  index: z.number(),
  token,
  generated_text: z.string().nullable(),
  details: z
    .object({
      finish_reason: reason,
      generated_tokens: z.number(),
      input_length: z.number(),
      seed: z.number().nullable(),
    })
    .nullable(),
});

test.each(recorded.requests)("$call is taken, and the answer is what it reads", async ({ path, body }) => {
  const { status, json, text } = await appOn(fakeEngine()).call(path, body);
  expect(status, text).toBe(200);
  if (path === "/" && body.stream !== true) {
    expect(textGeneration.parse(json)[0].generated_text).toContain("one\ntwo");
    return;
  }
  if (path !== "/" && body.stream !== true) {
    expect(json).toMatchObject({ choices: [{ message: { content: "one\ntwo" }, finish_reason: "stop" }] });
    return;
  }
  // Python reads every line that begins with "data:", whatever the event is called
  const lines = text.split("\n").filter((line) => line.startsWith("data:") && !line.includes("[DONE]"));
  const events = lines.map((line): unknown => JSON.parse(line.slice(5)));
  if (path === "/") expect(events.map((event) => streamOutput.parse(event)).at(-1)?.generated_text).toBe("one\ntwo");
  else expect(events.map((event) => Object(event).choices[0].delta.content ?? "").join("")).toBe("one\ntwo");
});
