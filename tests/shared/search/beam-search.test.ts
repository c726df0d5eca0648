// Beam search against transformers' generate() in PyTorch on the golden T5s (tests/golden/beam-search.json): ids and scores of all
// hypotheses. The decoder runs the whole prefix at every step, so that nothing but the search is tested.

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loadModel, type Model } from "../../../src/edge/engine/model.ts";
import { allLogits, encodeSources, repeatSource } from "../../../src/edge/engine/t5.ts";
import { folderStore } from "../../../src/serve/folder-store.ts";
import { createNodeRuntime } from "../../../src/serve/node-runtime.ts";
import { adjustLogits } from "../../../src/shared/sampling.ts";
import { type BeamSearch, type BeamStep, beamSearch, type Hypothesis } from "../../../src/shared/search/beam-search.ts";
import { BEAM_CASES } from "../../golden/beam-search.ts";
import { exportTinyModel, type TinyWeights } from "../../runtime/tiny-model.ts";

const nodeRuntime = createNodeRuntime(1);

type Decoder = (step: BeamStep) => Promise<Float32Array>;

async function run(search: BeamSearch, decode: Decoder): Promise<Hypothesis[]> {
  let step = search.next();
  while (step.done !== true) step = search.next(await decode(step.value));
  return step.value;
}

/** A decoder without a cache. */
async function decoderOn(model: Model, prompt: readonly number[]): Promise<Decoder> {
  const encoded = await encodeSources(model, [prompt]);
  let rows: number[][] = [[]];
  return async ({ parents, tokens }) => {
    rows = tokens.map((token, row) => [...(rows[parents[row] ?? 0] ?? []), token]);
    const { vocabSize } = model.config;
    const all = await allLogits(model, repeatSource(model, encoded, rows.length), rows.flat());
    const length = rows[0]?.length ?? 0;
    const last = new Float32Array(rows.length * vocabSize);
    rows.forEach((_, row) => {
      last.set(all.subarray(((row + 1) * length - 1) * vocabSize, (row + 1) * length * vocabSize), row * vocabSize);
    });
    return last;
  };
}

describe.each(["t5-v1.1", "t5-v1.0"] satisfies TinyWeights[])("%s: as transformers", (weights) => {
  let folder: Awaited<ReturnType<typeof exportTinyModel>>;
  let model: Model;
  beforeAll(async () => {
    folder = await exportTinyModel(weights);
    model = await loadModel(folderStore({ tiny: folder.dir }), "tiny", "fp32", nodeRuntime);
  });
  afterAll(() => folder.remove());

  const cases = BEAM_CASES[weights] ?? [];
  test.each(cases.map((one) => [JSON.stringify({ tokens: one.prompt.length, ...one.settings }), one] as const))(
    "%s",
    async (_, { prompt, bias, settings, hypotheses }) => {
      const adjusting = {
        logitBias: new Map([[1, bias]]),
        repetitionPenalty: settings.repetition_penalty,
        noRepeatNgramSize: settings.no_repeat_ngram_size,
        minNewTokens: settings.min_new_tokens,
      };
      const search = beamSearch(0, {
        beams: settings.num_beams,
        maxNewTokens: settings.max_new_tokens,
        lengthPenalty: settings.length_penalty,
        earlyStopping: settings.early_stopping,
        eosTokenId: 1,
        vocabSize: model.config.vocabSize,
        adjust: (logps, ids) => adjustLogits(logps, { startId: 0, ids, newTokens: ids.length, endIds: [1] }, adjusting),
      });
      const found = await run(search, await decoderOn(model, prompt));
      expect(found.map(({ ids }) => ids)).toEqual(hypotheses.map(([ids]) => ids));
      found.forEach(({ score }, at) => {
        expect(score).toBeCloseTo(hypotheses[at]?.[1] ?? Number.NaN, 4);
      });
    },
  );
});

test("an end that is not EOS ends a hypothesis, too; the log-probs told are the model's, without what was added to them", async () => {
  // two ids and EOS, the same at every step: 0.2, 0.5, 0.3
  const logits = [0.2, 0.5, 0.3].map(Math.log);
  const decode: Decoder = async ({ parents }) => Float32Array.from(parents.flatMap(() => logits));
  const search = beamSearch(0, {
    beams: 2,
    maxNewTokens: 9,
    lengthPenalty: 0,
    earlyStopping: "never",
    eosTokenId: 2,
    vocabSize: 3,
    adjust: (logps) => logps.map((logp) => logp - 1),
    isEnd: (ids) => ids.length === 3,
  });
  const found = await run(search, decode);
  // EOS at once: ln 0.3 - 1; then 1, EOS: ln 0.15 - 2. All of three ids are below: ln 0.125 - 3
  expect(found.map(({ ids }) => ids)).toEqual([[2], [1, 2]]);
  expect(found[1]?.score).toBeCloseTo(Math.log(0.15) - 2, 5);
  expect(found[1]?.tokenLogps[0]).toBeCloseTo(Math.log(0.5), 5);
});
