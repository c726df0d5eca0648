// Beam search, votes and step searches in real workerd, on the models that ship.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { type LocalWorker, startLocalWorker } from "../../src/infer/local-worker.ts";
import { ensureExported } from "../../src/train/onnx/export/ensure-exported.ts";

const PROMPT = "Mia has 12 apples. Then she gets 7 apples from Tom. How many apples does Mia have now?";
const answerSchema = z.looseObject({
  generated_text: z.string(),
  finish_reason: z.string(),
  usage: z.object({ completion_tokens: z.number() }),
});

let worker: LocalWorker;
let exportsDir = "";
beforeAll(async () => {
  exportsDir = await mkdtemp(join(tmpdir(), "stepwise-search-"));
  const exported = (name: string) => ensureExported(join("data/models", name), { exportsDir });
  const policyDir = await exported("stepwise-t5-nano");
  worker = await startLocalWorker({ policyDir, rewardDir: await exported("stepwise-t5-nano-prm") });
}, 120_000);
afterAll(async () => {
  await worker?.stop();
  await rm(exportsDir, { recursive: true, force: true });
});

async function generate(parameters: object) {
  const response = await fetch(`${worker.url}/generate`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ inputs: PROMPT, parameters }),
  });
  const body: unknown = await response.json();
  expect(response.status, JSON.stringify(body)).toBe(200);
  return answerSchema.parse(body);
}

test("a search by step rewards answers with a solution, its step scores and what it cost", async () => {
  const search = { type: "step_beam", width: 2, expand: 4, budget_tokens: 400 };
  const found = await generate({ search, seed: 3, vote: "weighted", n: 2 });
  expect(found.finish_reason).toBe("eos_token");
  expect(found.generated_text).toContain("A: 19");
  expect(found).toMatchObject({ search: { tokens: found.usage.completion_tokens } });
  const { votes } = z.object({ votes: z.array(z.object({ answer: z.string() })) }).parse(found);
  expect(votes[0]?.answer).toBe("19");
  expect(found.usage.completion_tokens).toBeLessThanOrEqual(400);
  expect(await generate({ search, seed: 3, vote: "weighted", n: 2 })).toEqual(found);
});

test("beams are sorted by their score, and one beam is greedy", async () => {
  const greedy = await generate({});
  const found = await generate({ num_beams: 4, n: 4, length_penalty: 0 });
  const { sequences } = z.object({ sequences: z.array(z.object({ beam_score: z.number() })) }).parse(found);
  const scores = sequences.map((one) => one.beam_score);
  expect(scores).toHaveLength(4);
  expect(scores).toEqual([...scores].sort((a, b) => b - a));
  expect((await generate({ num_beams: 1 })).generated_text).toBe(greedy.generated_text);
});
