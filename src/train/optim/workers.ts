// How many processes compute a step's gradients, what each may take of the machine, and what they cost.

import { availableParallelism } from "node:os";
import type { Parameters } from "../model/parameters.ts";

/** Threads of each of so many workers: the cores shared out; undefined for one alone, which may have all. */
export function threadsOf(workers: number): number | undefined {
  return workers === 1 ? undefined : Math.max(1, Math.floor(availableParallelism() / workers));
}

const MEGABYTE = 2 ** 20;

function megabytes(p: Parameters): number {
  return (4 * Object.values(p).reduce((sum, { size }) => sum + size, 0)) / MEGABYTE;
}

/** A line for a log: how many, and the memory of weights and gradients that they need beside that of a process alone. */
export function describeWorkers(workers: number, trained: Parameters, frozen: Parameters = {}): string {
  const more = workers - 1;
  // each further process holds weights and gradients, and hands the gradients over; what all read is handed over once
  const bytes = more * (3 * megabytes(trained) + megabytes(frozen)) + megabytes(trained) + megabytes(frozen);
  const threads = threadsOf(workers) ?? availableParallelism();
  return `workers: ${workers}, of ${threads} thread${threads === 1 ? "" : "s"} each; ${Math.ceil(bytes)} MB of weights and gradients more than one alone, and what a part of a batch takes`;
}
