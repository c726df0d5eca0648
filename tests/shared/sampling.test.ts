// Logits processors and warpers against those of Hugging Face's transformers, in PyTorch (tests/golden/sampling.json).

import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { adjustLogits, argmax, type SamplingOptions, sampleToken, samplingSupport } from "../../src/shared/sampling.ts";

const settingsSchema = z.strictObject({
  temperature: z.number().default(1),
  topK: z.number().default(0),
  topP: z.number().default(1),
  minP: z.number().optional(),
  typicalP: z.number().optional(),
  repetitionPenalty: z.number().optional(),
  frequencyPenalty: z.number().optional(),
  presencePenalty: z.number().optional(),
  noRepeatNgramSize: z.number().optional(),
  minNewTokens: z.number().optional(),
  logitBias: z
    .array(z.tuple([z.number(), z.number()]))
    .optional()
    .transform((pairs) => new Map(pairs)),
});
const caseSchema = z.object({
  name: z.string(),
  vocab: z.number(),
  spread: z.number(),
  seed: z.number(),
  ids: z.array(z.number()),
  settings: settingsSchema,
  kept: z.number(),
  probabilities: z.array(z.tuple([z.number(), z.number()])),
});
const { cases } = z
  .object({ cases: z.array(caseSchema) })
  .parse(JSON.parse(readFileSync(new URL("../golden/sampling.json", import.meta.url), "utf8")));

/** The golden file's formula. */
function logitsOf({ vocab, spread, seed }: z.output<typeof caseSchema>): Float32Array {
  return Float32Array.from({ length: vocab }, (_, i) => ((((i * 7919 + seed * 104729) % 2003) - 1001) / 1024) * spread);
}

describe("as transformers", () => {
  test.each(cases.map((one) => [one.name, one] as const))("%s", (_, one) => {
    const written = { startId: 0, ids: one.ids, newTokens: one.ids.length, endIds: [1] };
    const logits = adjustLogits(logitsOf(one), written, one.settings);
    const support = samplingSupport(logits, { doSample: true, ...one.settings });
    const weights = new Map<number, number>();
    let total = 0;
    for (let at = 0; at < support.size; at++) {
      const weight = support.weights[at] ?? 0;
      total += weight;
      if (weight > 0) weights.set(support.ids[at] ?? -1, weight);
    }
    expect(weights.size).toBe(one.kept);
    for (const [id, probability] of one.probabilities) {
      expect(Math.abs((weights.get(id) ?? 0) / total / probability - 1)).toBeLessThan(2e-5);
    }
  });
});

const ALL: SamplingOptions = { doSample: true, temperature: 1, topK: 0, topP: 1 };
const anyLogits = fc.array(fc.float({ min: -30, max: 30, noNaN: true }), { minLength: 300, maxLength: 900 });

test("of a large vocabulary the token drawn is the one that sorting all tokens and summing them up finds", () => {
  fc.assert(
    fc.property(anyLogits, fc.double({ min: 0, max: 0.999, noNaN: true }), (values, u) => {
      const logits = Float32Array.from(values);
      const top = logits[argmax(logits)] ?? 0;
      // by weight: logits that differ by less than exp can tell are ties, and the lower id comes first
      const weightOf = (id: number) => Math.exp((logits[id] ?? 0) - top);
      const order = [...logits.keys()].sort((a, b) => weightOf(b) - weightOf(a) || a - b);
      const weights = order.map(weightOf);
      const drawn = u * weights.reduce((sum, weight) => sum + weight, 0);
      let mass = 0;
      const at = weights.findIndex((weight) => {
        mass += weight;
        return mass > drawn * (1 + 1e-12);
      });
      const id = sampleToken(logits, ALL, () => u);
      // sums in another order may differ in the last bits: the neighbour at the border is as right
      expect([order[at - 1], order[at], order[at + 1]]).toContain(id);
    }),
  );
});

test("whatever is filtered, a token that is left is drawn, the likeliest always among them but for typical-p", () => {
  const filters = fc.record({
    topK: fc.integer({ min: 0, max: 400 }),
    topP: fc.double({ min: 0.01, max: 1, noNaN: true }),
    minP: fc.double({ min: 0, max: 1, noNaN: true }),
    temperature: fc.double({ min: 0.05, max: 10, noNaN: true }),
  });
  fc.assert(
    fc.property(anyLogits, filters, (values, options) => {
      const logits = Float32Array.from(values);
      expect(logits[sampleToken(logits, { ...ALL, ...options }, () => 0)]).toBe(Math.max(...logits));
      const last = sampleToken(logits, { ...ALL, ...options }, () => 1 - 2 ** -32);
      expect(last).toBeGreaterThanOrEqual(0);
      expect(last).toBeLessThan(logits.length);
    }),
  );
});

test("a temperature too small to divide by is greedy", () => {
  expect(sampleToken([1, 3, 2], { ...ALL, temperature: 5e-324 }, () => 0.99)).toBe(1);
});

test("nothing asked for leaves the logits as they are, without a copy", () => {
  const logits = Float32Array.of(1, 2, 3);
  expect(adjustLogits(logits, { startId: 0, ids: [1, 1], newTokens: 2, endIds: [2] }, { minNewTokens: 2 })).toBe(
    logits,
  );
});

test("a repeated token is penalised once, whatever its sign", () => {
  const written = { startId: 0, ids: [1, 1], newTokens: 2, endIds: [3] };
  expect([...adjustLogits(Float32Array.of(2, -2, 1, -1), written, { repetitionPenalty: 2 })]).toEqual([1, -4, 1, -1]);
});
