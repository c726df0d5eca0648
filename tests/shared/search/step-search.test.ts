// Step searches on a world small enough to follow by hand, and by property: the budget, the widths, the order.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Continuation, runSearches, type SearchModels } from "../../../src/shared/search/run-searches.ts";
import {
  type Ask,
  type StepSearchOptions,
  type StepSearchRound,
  stepSearch,
} from "../../../src/shared/search/step-search.ts";
import { splitSteps } from "../../../src/shared/steps.ts";

const OPTIONS: StepSearchOptions = {
  kind: "step_beam",
  width: 2,
  expand: 2,
  depth: 3,
  maxStepTokens: 8,
  budgetTokens: 1000,
  aggregation: "last",
};

/** Next steps of each prefix, drawn in order, over and over; "." ends a solution. A step's score is the number in it, by 10. */
const WORLD: Record<string, string[]> = {
  "": ["a5", "b9", "c6", "d1"],
  "a5\n": ["m9", "n1"],
  "b9\n": ["e2", "f3."],
  "c6\n": ["g8", "h7"],
  "d1\n": ["o9", "p1"],
  "a5\nm9\n": ["q9."],
  "c6\ng8\n": ["i9.", "j3."],
  "c6\nh7\n": ["k1.", "l2."],
};

function worldModels(asked: Ask[][] = []): SearchModels {
  return {
    async write(asks) {
      asked.push([...asks]);
      return asks.map(({ prefix, count, maxNewTokens, stream }) =>
        Array.from({ length: count }, (_, row): Continuation => {
          const steps = WORLD[prefix] ?? [];
          const step = steps[(prefix === "" ? stream * count + row : row) % steps.length] ?? "";
          const finished = step.endsWith(".");
          return { text: finished ? step : `${step}\n`, tokens: Math.min(4, maxNewTokens), logp: -1, finished };
        }),
      );
    },
    score: async (texts) =>
      texts.map(({ text }) => splitSteps(text).map((step) => Number(/\d/.exec(step.text)?.[0]) / 10)),
  };
}

async function search(options: Partial<StepSearchOptions>, asked?: Ask[][]) {
  const [result] = await runSearches([stepSearch({ ...OPTIONS, ...options })], worldModels(asked));
  if (result === undefined) throw new Error("no result");
  return result;
}

describe("step beam", () => {
  test("keeps the two best prefixes of all, wherever they come from", async () => {
    const asked: Ask[][] = [];
    const { solutions, tokens, rounds } = await search({}, asked);
    // a5 b9 c6 d1 -> b9, c6; e2 f3. g8 h7 -> g8, h7; i9. j3. k1. l2. -> i9., j3.
    expect(asked.map((asks) => asks.map(({ prefix, count }) => [prefix, count]))).toEqual([
      [["", 4]],
      [
        ["b9\n", 2],
        ["c6\n", 2],
      ],
      [
        ["c6\ng8\n", 2],
        ["c6\nh7\n", 2],
      ],
    ]);
    expect(rounds).toBe(3);
    expect(tokens).toBe(12 * 4);
    expect(solutions.map(({ text, score, finished, logp }) => [text, score, finished, logp])).toEqual([
      ["c6\ng8\ni9.", 0.9, true, -3],
      ["c6\ng8\nj3.", 0.3, true, -3],
    ]);
  });

  test("a finished solution keeps its place and is not written on; equal ones count once", async () => {
    const asked: Ask[][] = [];
    const { solutions, tokens } = await search({ width: 4, aggregation: "mean" }, asked);
    // means: b9 e2 0.55, b9 f3. 0.6, c6 g8 0.7, c6 h7 0.65, a5 m9 0.7, the others 0.5 and less; f3. has ended
    expect(asked[2]?.map(({ prefix }) => prefix)).toEqual(["c6\ng8\n", "a5\nm9\n", "c6\nh7\n"]);
    // i9. 2.3 / 3, q9. 2.3 / 3 (twice), f3. 0.6, j3. 1.7 / 3
    expect(solutions.map(({ text }) => text.split("\n").at(-1))).toEqual(["i9.", "q9.", "f3.", "j3."]);
    expect(tokens).toBe((8 + 8 + 6) * 4);
  });
});

describe("diverse verifier tree search", () => {
  test("keeps the best of each subtree, however bad", async () => {
    const asked: Ask[][] = [];
    const { solutions } = await search({ kind: "dvts", depth: 2 }, asked);
    // subtree 0 draws a5 b9, subtree 1 c6 d1; then b9: e2 f3. and c6: g8 h7
    expect(asked.map((asks) => asks.map(({ prefix, count }) => [prefix, count]))).toEqual([
      [
        ["", 2],
        ["", 2],
      ],
      [
        ["b9\n", 2],
        ["c6\n", 2],
      ],
    ]);
    // a finished solution comes before a better one that depth has cut off
    expect(solutions.map(({ text, score, finished }) => [text, score, finished])).toEqual([
      ["b9\nf3.", 0.3, true],
      ["c6\ng8\n", 0.8, false],
    ]);
  });
});

test("a prefix after which nothing can be written is kept as it is", async () => {
  const models = worldModels();
  const blocked: SearchModels = {
    ...models,
    write: async (asks) => (asks[0]?.prefix === "" ? models.write(asks) : asks.map(() => [])),
  };
  const [result] = await runSearches([stepSearch(OPTIONS)], blocked);
  expect(result?.solutions.map(({ text, score, finished }) => [text, score, finished])).toEqual([
    ["b9\n", 0.9, false],
    ["c6\n", 0.6, false],
  ]);
});

test("searches that run side by side find what each finds alone", async () => {
  const all = [OPTIONS, { ...OPTIONS, kind: "dvts" as const }, { ...OPTIONS, width: 1 }];
  const together = await runSearches(all.map(stepSearch), worldModels());
  for (const [at, options] of all.entries()) expect(together[at]).toEqual(await search(options));
});

test("whatever is asked for, the budget is kept even if every row reaches its limit, and no round is wider than asked", async () => {
  const anyOptions = fc.record({
    kind: fc.constantFrom("step_beam" as const, "dvts" as const),
    width: fc.integer({ min: 1, max: 6 }),
    expand: fc.integer({ min: 1, max: 6 }),
    depth: fc.integer({ min: 1, max: 10 }),
    maxStepTokens: fc.integer({ min: 1, max: 40 }),
    budgetTokens: fc.integer({ min: 1, max: 400 }),
    aggregation: fc.constantFrom("mean" as const, "min" as const, "prod" as const, "last" as const),
  });
  await fc.assert(
    fc.asyncProperty(anyOptions, fc.infiniteStream(fc.integer({ min: 0, max: 9 })), async (options, digits) => {
      const digit = (): number => digits.next().value ?? 0;
      let written = 0;
      const models: SearchModels = {
        async write(asks) {
          const rows = asks.reduce((sum, { count }) => sum + count, 0);
          expect(rows).toBeLessThanOrEqual(options.width * options.expand);
          for (const { maxNewTokens } of asks) expect(maxNewTokens).toBeLessThanOrEqual(options.maxStepTokens);
          return asks.map(({ count, maxNewTokens }) =>
            Array.from({ length: count }, () => {
              expect(maxNewTokens).toBeGreaterThanOrEqual(1);
              const tokens = digit() < 5 ? maxNewTokens : 1;
              written += tokens;
              const finished = digit() === 0;
              return { text: `${digit()}${finished ? "" : "\n"}`, tokens, logp: -digit(), finished };
            }),
          );
        },
        score: async (texts) => texts.map(({ text }) => splitSteps(text).map((step) => Number(step.text) / 10)),
      };
      const [result] = await runSearches([stepSearch(options)], models);
      expect(result?.tokens).toBe(written);
      expect(written).toBeLessThanOrEqual(options.budgetTokens);
      expect(result?.rounds).toBeLessThanOrEqual(options.depth);
      const solutions = result?.solutions ?? [];
      expect(solutions.length).toBeGreaterThan(0);
      expect(solutions.length).toBeLessThanOrEqual(options.width);
      const finished = solutions.filter((one) => one.finished);
      expect(solutions.slice(0, finished.length)).toEqual(finished);
      for (const list of [finished, solutions.slice(finished.length)]) {
        expect(list.map(({ score }) => score)).toEqual(list.map(({ score }) => score).sort((a, b) => b - a));
      }
    }),
  );
});

test("who looks on is told the tree: new steps under their parents, and what is kept", async () => {
  const rounds: StepSearchRound[] = [];
  await search({ onRound: (round) => rounds.push(round) });
  // followed by hand: root 0; a5 b9 c6 d1 are 1 to 4, of which b9 and c6 are kept; then e2 f3. of b9, g8 h7 of c6; then i9. j3. k1. l2.
  const node = (id: number, parent: number, text: string, score: number) => ({
    id,
    parent,
    text,
    score,
    finished: text.endsWith("."),
  });
  const inOrder = rounds.map(({ round, nodes, keptIds }) => ({
    round,
    nodes,
    kept: [...keptIds].sort((a, b) => a - b),
  }));
  expect(inOrder).toEqual([
    {
      round: 1,
      nodes: [node(1, 0, "a5", 0.5), node(2, 0, "b9", 0.9), node(3, 0, "c6", 0.6), node(4, 0, "d1", 0.1)],
      kept: [2, 3],
    },
    {
      round: 2,
      nodes: [node(5, 2, "e2", 0.2), node(6, 2, "f3.", 0.3), node(7, 3, "g8", 0.8), node(8, 3, "h7", 0.7)],
      kept: [7, 8],
    },
    {
      round: 3,
      nodes: [node(9, 7, "i9.", 0.9), node(10, 7, "j3.", 0.3), node(11, 8, "k1.", 0.1), node(12, 8, "l2.", 0.2)],
      kept: [9, 10],
    },
  ]);
});

test("subtrees of DVTS grow from roots of their own", async () => {
  const rounds: StepSearchRound[] = [];
  await search({ kind: "dvts", depth: 1, onRound: (round) => rounds.push(round) });
  // two roots, 0 and 1; each draws two of the four first steps, and keeps its best
  expect(rounds[0]?.nodes.map(({ id, parent, text }) => [id, parent, text])).toEqual([
    [2, 0, "a5"],
    [3, 0, "b9"],
    [4, 1, "c6"],
    [5, 1, "d1"],
  ]);
  expect([...(rounds[0]?.keptIds ?? [])].sort()).toEqual([3, 4]);
});
