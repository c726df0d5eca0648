// A step search on real graphs, through the app: the shipped policy and process reward model, exported in float32, on onnxruntime-node.
// What it returns is held to the engine itself: forced through the steps that were found, and scored at once, it says the same.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { createEngine, type Engine } from "../../src/edge/engine/engine.ts";
import { splitSteps } from "../../src/shared/steps.ts";
import { ensureExported } from "../../src/train/onnx/export/ensure-exported.ts";
import { appOn } from "./fake-engine.ts";
import { folderStore, nodeRuntime } from "./node-runtime.ts";

const PROMPT =
  "Mia has 12 apples. Then she gets 7 apples from Tom. Next she gives 4 apples to Ann. How many apples does Mia have now?";
const MODELS = fileURLToPath(new URL("../../data/models/", import.meta.url));

const answerSchema = z.object({
  generated_text: z.string(),
  finish_reason: z.string(),
  score: z.number(),
  steps: z.array(z.object({ text: z.string(), score: z.number() })),
  usage: z.object({ completion_tokens: z.number() }),
  search: z.object({ rounds: z.number(), tokens: z.number() }).optional(),
  details: z.object({ tokens: z.array(z.object({ id: z.number(), text: z.string(), logprob: z.number() })) }),
});

let engine: Engine;
let exportsDir: string;
beforeAll(async () => {
  exportsDir = await mkdtemp(join(tmpdir(), "stepwise-guided-"));
  const exported = (name: string) => ensureExported(join(MODELS, name), { exportsDir, dtype: "fp32" });
  const store = folderStore({
    policy: await exported("stepwise-t5-nano"),
    reward: await exported("stepwise-t5-nano-prm"),
  });
  engine = createEngine({
    store,
    runtime: nodeRuntime,
    policy: "policy",
    reward: "reward",
    dtype: "fp32",
    maxWaiting: 8,
  });
}, 120_000);
afterAll(() => rm(exportsDir, { recursive: true, force: true }));

async function generate(parameters: object) {
  const { status, json, text } = await appOn(engine).call("/generate", { prompt: PROMPT, parameters });
  expect(status, text).toBe(200);
  return answerSchema.parse(json);
}

test.each(["step_beam", "dvts"])(
  "%s: steps, scores, tokens and log-probs are those of the text returned",
  async (type) => {
    const search = { type, width: 2, expand: 4 };
    const found = await generate({ search, seed: 5, details: true });
    expect(found.finish_reason).toBe("eos_token");
    expect(found.details.tokens.map(({ text }) => text).join("")).toBe(found.generated_text);
    expect(found.search?.tokens).toBeGreaterThan(2 * found.details.tokens.length);
    const steps = splitSteps(found.generated_text);
    expect(found.steps.map(({ text }) => text)).toEqual(steps.map(({ text }) => text));
    const [scored] = (
      await engine.score({
        prompt: PROMPT,
        completions: [{ field: "x", steps }],
        aggregation: "mean",
        context: "prefix",
      })
    ).completions;
    scored?.steps.forEach(({ score }, at) => {
      expect(found.steps[at]?.score).toBeCloseTo(score, 5);
    });
    expect(found.score).toBeCloseTo(scored?.score ?? Number.NaN, 5);
    // the same again by the same seed
    expect(await generate({ search, seed: 5, details: true })).toEqual(found);
  },
);

test("the log-probs of a solution found in pieces are those of the solution written in one", async () => {
  const found = await generate({
    search: { type: "step_beam", width: 1, expand: 1 },
    top_k: 1,
    seed: 1,
    details: true,
  });
  const whole = await generate({ details: true, score_steps: true });
  expect(found.generated_text).toBe(whole.generated_text);
  found.details.tokens.forEach(({ id, logprob }, at) => {
    expect(id).toBe(whole.details.tokens[at]?.id);
    expect(logprob).toBeCloseTo(whole.details.tokens[at]?.logprob ?? Number.NaN, 4);
  });
});

test("a stop string ends a solution found in pieces where it ends one written in one, across steps too", async () => {
  const steps = (await generate({ details: true, score_steps: true })).steps.map(({ text }) => text);
  expect(steps.length).toBeGreaterThan(2);
  const across = `${steps[0]?.at(-1)}\n${steps[1]?.slice(0, 3)}`;
  for (const stop of ["\n", `\n${steps[1]?.[0]}`, across, steps[1]?.slice(2, 6)]) {
    const whole = await generate({ details: true, score_steps: true, stop: [stop] });
    expect(whole.finish_reason).toBe("stop_sequence");
    const search = { type: "step_beam", width: 1, expand: 1 };
    const found = await generate({ search, top_k: 1, seed: 1, details: true, stop: [stop] });
    expect(found.generated_text).toBe(whole.generated_text);
    expect(found.finish_reason).toBe("stop_sequence");
    expect(found.details.tokens.map(({ text }) => text).join("")).toBe(whole.generated_text);
    expect(found.steps.map(({ text }) => text)).toEqual(whole.steps.map(({ text }) => text));
  }
});

test("no more tokens are written than the budget allows", async () => {
  for (const budget of [1, 7, 40, 90]) {
    const found = await generate({
      search: { type: "step_beam", width: 4, expand: 4, budget_tokens: budget },
      seed: 2,
      details: true,
    });
    expect(found.search?.tokens).toBeLessThanOrEqual(budget);
    expect(found.usage.completion_tokens).toBe(found.search?.tokens);
  }
});
