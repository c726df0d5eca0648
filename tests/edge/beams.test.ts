// Beam search on the engine: the hypotheses of transformers' generate() (tests/golden/beam-search.json) from cached decoding whose rows
// change places, beside other requests.

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { beamJob } from "../../src/edge/engine/beams.ts";
import { createEngine } from "../../src/edge/engine/engine.ts";
import { type GenerateOptions, generate } from "../../src/edge/engine/generate.ts";
import { loadModel, type Model } from "../../src/edge/engine/model.ts";
import { folderStore } from "../../src/serve/folder-store.ts";
import { createNodeRuntime } from "../../src/serve/node-runtime.ts";
import { BEAM_CASES } from "../golden/beam-search.ts";
import { exportTinyModel } from "../runtime/tiny-model.ts";

const nodeRuntime = createNodeRuntime(1);

/** Of the golden model that the engine has. */
const cases = BEAM_CASES["t5-v1.1"] ?? [];

const PLAIN: GenerateOptions = {
  prompt: "x",
  sampling: { doSample: false, temperature: 1, topK: 0, topP: 1 },
  seed: 0,
  stop: [],
  repetitionPenalty: 1,
  candidates: 1,
};
const BEAMS = { count: 3, lengthPenalty: 1, earlyStopping: false };

let folder: Awaited<ReturnType<typeof exportTinyModel>>;
let model: Model;
beforeAll(async () => {
  folder = await exportTinyModel("t5-v1.1", { maxTargetTokens: 32 });
  model = await loadModel(folderStore({ tiny: folder.dir }), "tiny", "fp32", nodeRuntime);
});
afterAll(() => folder.remove());

async function run(job: ReturnType<typeof beamJob>) {
  while (!job.isDone) await job.advance();
  job.deliver();
  job.release();
  return job.result().candidates;
}

/** The model, given the ids of the golden prompt in place of a text. */
function reading(ids: readonly number[]): Model {
  return { ...model, tokenizer: { ...model.tokenizer, encode: () => [...ids] } };
}

describe("as transformers", () => {
  test.each(cases.map((one) => [JSON.stringify(one.settings), one] as const))("%s", async (_, one) => {
    const { settings, hypotheses } = one;
    const job = beamJob(
      reading(one.prompt),
      {
        ...PLAIN,
        beams: {
          count: settings.num_beams,
          lengthPenalty: settings.length_penalty,
          earlyStopping: settings.early_stopping,
        },
        maxNewTokens: settings.max_new_tokens,
        logitBias: new Map([[1, one.bias]]),
        repetitionPenalty: settings.repetition_penalty ?? 1,
        noRepeatNgramSize: settings.no_repeat_ngram_size,
        minNewTokens: settings.min_new_tokens,
      },
      { budgetBytes: 1e9 },
    );
    const found = await run(job);
    expect(found.map(({ ids }) => ids)).toEqual(hypotheses.map(([ids]) => ids));
    found.forEach(({ beamScore }, at) => {
      expect(beamScore).toBeCloseTo(hypotheses[at]?.[1] ?? Number.NaN, 4);
    });
  });
});

test("one beam after a prefix is greedy decoding after it", async () => {
  const asked = { ...PLAIN, prompt: "Tom has 3 apples.", prefix: "3 + 4 = 7", maxNewTokens: 9 };
  const [found] = await run(beamJob(model, { ...asked, beams: { ...BEAMS, count: 1 } }, { budgetBytes: 1e9 }));
  const { candidates } = await generate(model, asked);
  expect(found?.ids).toEqual(candidates[0]?.ids);
  expect(found?.text).toBe(candidates[0]?.text);
  expect(found?.text.startsWith("3 + 4 = 7")).toBe(true);
});

test("beside requests that sample, a beam search finds what it finds alone; tokens are told at the end", async () => {
  const store = folderStore({ tiny: folder.dir });
  const engine = createEngine({
    store,
    runtime: nodeRuntime,
    policy: "tiny",
    reward: "tiny",
    dtype: "fp32",
    maxWaiting: 8,
  });
  const searching = { ...PLAIN, prompt: "Tom has 3 apples.", beams: BEAMS, maxNewTokens: 12 };
  const alone = await engine.generate(searching);
  const told: number[][] = [[], [], []];
  const sampling = { doSample: true, temperature: 1, topK: 0, topP: 1 };
  const others = [1, 2, 3].map((seed) => engine.generate({ ...PLAIN, sampling, seed, maxNewTokens: 20 }));
  const beside = await engine.generate({ ...searching, onToken: ({ candidate, id }) => told[candidate]?.push(id) });
  await Promise.all(others);
  expect(beside).toEqual(alone);
  expect(told).toEqual(alone.candidates.map(({ ids }) => ids));
  expect(alone.candidates).toHaveLength(3);
});

test("a stop string ends a hypothesis, which ends with it", async () => {
  const beams = { ...BEAMS, lengthPenalty: 0 };
  const [first] = await run(beamJob(model, { ...PLAIN, beams, maxNewTokens: 8 }, { budgetBytes: 1e9 }));
  const stop = first?.text.slice(0, 1) ?? "";
  expect(stop).not.toBe("");
  const found = await run(beamJob(model, { ...PLAIN, beams, stop: [stop], maxNewTokens: 8 }, { budgetBytes: 1e9 }));
  // a sum of log-probs only falls: the one that ends at once is the best
  expect(found[0]?.text).toBe(stop);
  expect(found[0]?.finishReason).toBe("stop_sequence");
});
