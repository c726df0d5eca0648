// Forced decoding on real graphs: PyTorch's token log-probabilities of the golden model, in one piece and in many.

import { readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { forcedJob } from "../../src/edge/engine/forced.ts";
import { loadModel, type Model } from "../../src/edge/engine/model.ts";
import { exportTinyModel } from "../runtime/tiny-model.ts";
import { appOn, fakeEngine } from "./fake-engine.ts";
import { folderStore, nodeRuntime } from "./node-runtime.ts";

const golden: {
  prompts: number[][];
  chosen: number[][];
  chosen_token_logps: number[][];
  chosen_sequence_logps: number[];
} = JSON.parse(readFileSync("tests/golden/t5-v1.1/golden.json", "utf8"));
let exported: Awaited<ReturnType<typeof exportTinyModel>>;
let model: Model;

beforeAll(async () => {
  exported = await exportTinyModel("t5-v1.1");
  const opened = await loadModel(folderStore({ policy: exported.dir }), "policy", "fp32", nodeRuntime);
  // the golden numbers are of ids: texts are names of rows here
  const encode = (text: string): number[] =>
    (text.includes("prompt ") ? golden.prompts : golden.chosen)[Number(text.slice(-1))] ?? [];
  model = { ...opened, tokenizer: { ...opened.tokenizer, encode } };
});
afterAll(() => exported.remove());

test.each([2 ** 21, 96 * 3, 1])("PyTorch's token log-probabilities, %i logits a run", async (maxLogits) => {
  for (const row of [0, 1]) {
    const job = forcedJob(
      model,
      { prompt: `prompt ${row}`, completion: `chosen ${row}`, field: "completion" },
      maxLogits,
    );
    while (!job.isDone) await job.advance();
    const { logps, ids, texts } = job.result();
    job.release();
    expect(ids).toEqual(golden.chosen[row]);
    expect(texts).toHaveLength(ids.length);
    logps.forEach((logp, at) => {
      expect(logp).toBeCloseTo(golden.chosen_token_logps[row]?.[at] ?? Number.NaN, 4);
    });
    const sum = logps.reduce((total, logp) => total + logp, 0);
    expect(sum).toBeCloseTo(golden.chosen_sequence_logps[row] ?? Number.NaN, 3);
  }
});

test("/score tells them when asked, of up to eight completions", async () => {
  const engine = fakeEngine();
  const { call } = appOn(engine);
  const { json } = await call("/score", { prompt: "Q", completions: ["a\nb", "c"], return_logprobs: true });
  expect(json).toMatchObject({
    data: [{ logprobs: { model: "policy-model", tokens: ["a\nb", ""], token_logprobs: [-1, -0.5], sum: -1.5 } }, {}],
  });
  const many = await call("/score", { prompt: "Q", completions: Array(9).fill("a"), return_logprobs: true });
  expect(many).toMatchObject({ status: 422 });
  // before anything is scored
  expect(engine.scored).toHaveLength(1);
});
