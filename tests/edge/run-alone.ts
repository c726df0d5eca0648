// A job of the engine, done without other requests beside it.

import type { Job } from "../../src/edge/engine/scheduler.ts";

export async function runAlone<Result>(job: Job & { result(): Result }): Promise<Result> {
  try {
    while (!job.isDone) await job.advance();
    return job.result();
  } finally {
    job.release();
  }
}
