// Why a batch, or a part of it, could not be worked on: what its errors tell.

import type { LineError } from "./ledger-api.ts";

const MAX_REASON = 300;

/** The reason in one line. */
export function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.replaceAll(/\s+/g, " ").trim().slice(0, MAX_REASON);
}

/** An error of the whole batch. */
export function faultOf(error: unknown): LineError {
  return brokenOff(reasonOf(error));
}

/** A batch that could not go on. */
export function brokenOff(reason: string): LineError {
  return { code: "batch_broken_off", message: `The batch could not go on: ${reason}`, line: 0, param: null };
}

/** Whether the platform itself ends or holds the workflow: no failure of its step, and to be let through. */
export function isEndOfEngine(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith("Aborting engine:");
}
