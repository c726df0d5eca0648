// Solutions of one problem with the same text are one solution to the reader, said to be of all who wrote it.

import type { SampleSolution } from "../result.ts";

export interface DistinctSolution {
  solution: SampleSolution;
  /** For instance `given, after, 2 samples before`. */
  writers: string;
  /** The same for a narrow column: `given, after +2`. */
  short: string;
}

type Source = SampleSolution["source"];

/** Each text once, in the order of its first writer. */
export function distinctSolutions(solutions: readonly SampleSolution[], compared: boolean): DistinctSolution[] {
  const firsts = solutions.filter(({ text }, i) => solutions.findIndex((other) => other.text === text) === i);
  return firsts.map((solution) => {
    const same = solutions.filter(({ text }) => text === solution.text);
    return { solution, ...writersOf(same, compared) };
  });
}

function writersOf(same: readonly SampleSolution[], compared: boolean): { writers: string; short: string } {
  const name = (source: Source): string => {
    if (source === "gold") return "given";
    return compared ? (source === "model" ? "after" : "before") : source;
  };
  const sampled = same.filter(({ decoding }) => decoding === "sampled");
  const alone = same.filter(({ decoding }) => decoding !== "sampled").map(({ source }) => name(source));
  const samples = [...new Set(sampled.map(({ source }) => source))].map((source) => {
    const count = sampled.filter((each) => each.source === source).length;
    return `${countSamples(count)}${compared ? ` ${name(source)}` : ""}`;
  });
  const more = sampled.length === 0 ? "" : ` +${sampled.length}`;
  return {
    writers: [...alone, ...samples].join(", "),
    short: alone.length === 0 ? countSamples(sampled.length) : `${alone.join(", ")}${more}`,
  };
}

function countSamples(count: number): string {
  return `${count} ${count === 1 ? "sample" : "samples"}`;
}
