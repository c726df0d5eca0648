// The tables of docs/scale.md are what the measured CPU time of a record gives, and the sums are those done by hand.

import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { elsewhereRow, scaleRow, scaleTable } from "../../src/bench/batch/scale.ts";

test("a million records of 100 ms: CPU, steps and storage by hand", () => {
  const { cpuSeconds, seconds, cpu, steps, storageAMonth } = scaleRow(1e6, 100);
  expect(cpuSeconds).toBe(100_000);
  expect(seconds).toEqual([
    { atOnce: 4, seconds: 25_000 },
    { atOnce: 50, seconds: 2_000 },
    { atOnce: 1_000, seconds: 100 },
  ]);
  // 100 million ms, 30 of them included, $0.02 a million
  expect(cpu).toBeCloseTo(1.4, 10);
  // 10,000 steps of $4.50 + 2 x $0.36 + 3 x $0.15 + 6 x $1.00 = $11.67 a million
  expect(steps).toBeCloseTo(0.1167, 10);
  // 0.89 GB at $0.015
  expect(storageAMonth).toBeCloseTo(0.01335, 10);
});

test("docs/scale.md holds the tables of the CPU times that it says were measured", async () => {
  const doc = await readFile("docs/scale.md", "utf8");
  /** The last column of the row of the measured models that begins so. */
  const measured = (models: string): number => {
    const row = doc.split("\n").find((line) => line.startsWith(`| ${models}`));
    return Number(/\| ([\d,]+) ms \|$/.exec(row ?? "")?.[1]?.replace(",", ""));
  };
  const ships = measured("the policy and the process reward model");
  const large = measured("a T5 small");
  const rowsAfter = (heading: string): string[] => {
    const [, rest = ""] = doc.split(heading);
    const [table = ""] = rest.trimStart().split("\n\n").slice(1);
    return table.trim().split("\n").slice(2);
  };
  expect(rowsAfter("### Pairs, the models that ship")).toEqual(scaleTable(ships));
  expect(rowsAfter("### Pairs, a T5 small as its own judge")).toEqual(scaleTable(large));
  const elsewhere = doc.split("\n").filter((line) => /^\| 10. pairs, /.test(line));
  expect(elsewhere).toEqual([
    ...[1e4, 1e6, 1e8, 1e9].map((records) => elsewhereRow(records, ships, "the models that ship")),
    ...[1e4, 1e6, 1e8, 1e9].map((records) => elsewhereRow(records, large, "T5 small as judge")),
  ]);
});
