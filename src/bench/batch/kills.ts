// A batch whose worker is killed again and again, held to an undisturbed one: every record once, in order, with the same text.

import { setTimeout as sleep } from "node:timers/promises";
import { hasEnded, inputLines, openStage, type Stage, submitBatch, textsOf, untilBatch } from "./stage.ts";

export interface KillsResult {
  records: number;
  kills: number;
  /** Lines of the output that are missing, twice there, out of order, or of another text than undisturbed. */
  wrong: number;
  failed: number;
  undisturbed_seconds: number;
  disturbed_seconds: number;
}

/** Runs the same records twice; the second time the worker is killed at random moments, spread over the run. */
async function benchKills(
  stage: Stage,
  options: { records: number; kills: number; maxNewTokens: number; say: (line: string) => void },
): Promise<KillsResult> {
  const { records, kills, maxNewTokens, say } = options;
  const lines = inputLines(records, maxNewTokens);
  const first = await timed(() => run(stage, lines, async () => undefined));
  say(`undisturbed: ${records} records in ${first.seconds.toFixed(0)} s`);
  const second = await timed(() =>
    run(stage, lines, async (id) => {
      for (let kill = 1; kill <= kills; kill++) {
        const until = Math.floor((records * (kill - Math.random())) / (kills + 1));
        const { request_counts: counts } = await untilBatch(
          () => stage.client,
          id,
          (batch) => batch.request_counts.completed >= until || hasEnded(batch),
        );
        await sleep(1_000 * Math.random());
        await stage.killAndStart();
        say(`kill ${kill} after ${counts.completed} records`);
      }
    }),
  );
  const expected = first.result.texts;
  const got = second.result.texts;
  const wrong = Array.from({ length: Math.max(records, got.length) }, (_, at) => at).filter(
    (at) => got[at]?.[0] !== `request-${at}` || got[at]?.[1] !== expected[at]?.[1] || got[at]?.[1] === undefined,
  );
  return {
    records,
    kills,
    wrong: wrong.length,
    failed: second.result.failed,
    undisturbed_seconds: first.seconds,
    disturbed_seconds: second.seconds,
  };
}

async function run(stage: Stage, lines: string, disturb: (id: string) => Promise<void>) {
  const { id } = await submitBatch(stage.client, lines);
  await disturb(id);
  const batch = await untilBatch(() => stage.client, id, hasEnded);
  return { texts: await textsOf(stage.client, batch), failed: batch.request_counts.failed };
}

async function timed<T>(work: () => Promise<T>): Promise<{ result: T; seconds: number }> {
  const start = performance.now();
  const result = await work();
  return { result, seconds: (performance.now() - start) / 1000 };
}

/** The kills, on a stage of their own. */
export async function killsOnStage(
  modelDir: string,
  options: { records: number; kills: number; maxNewTokens: number; say: (line: string) => void },
): Promise<KillsResult> {
  const stage = await openStage({ modelDir, env: { BATCH_STEP_MS: "2000" } });
  try {
    return await benchKills(stage, options);
  } finally {
    await stage.close();
  }
}
