// A comparison that cannot be made says why, before minutes are spent on it.

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type ComparisonOptions, compareTraining } from "../../../../src/train/checks/speed/compare-training.ts";

const options = (changed: Partial<ComparisonOptions>): ComparisonOptions => ({
  script: "none.ts",
  flags: [],
  backends: [],
  peer: "peer.py",
  python: "no-such-python",
  rounds: 2,
  measured: { modelDir: "model", data: "pairs.jsonl", steps: 3, rewards: "off" },
  ...changed,
});

test("a baseline of two pairs is not compared with another batch", async () => {
  const measured = { ...options({}).measured, batch: 16 };
  await expect(compareTraining(options({ measured }))).rejects.toThrow(/2 pairs a step, 16 were asked for \(--batch\)/);
});

test("a program that is not there, or that fails, is named with its last line", async () => {
  await expect(compareTraining(options({}))).rejects.toThrow("pytorch could not be measured: no-such-python not found");
  await expect(compareTraining(options({ python: process.execPath, peer: "none.mjs" }))).rejects.toThrow(
    /pytorch could not be measured: .*(none\.mjs|MODULE_NOT_FOUND|Node\.js)/,
  );
});

test("forms take turns, and shares are those of their medians", async () => {
  const dir = await mkdtemp(join(tmpdir(), "compare-"));
  try {
    // prints the figures of a form from its flags: the usual one 4, 2, 8 s by its rounds, the best one always 2 s
    const peer = join(dir, "figures.mjs");
    const log = join(dir, "calls");
    await writeFile(
      peer,
      `import { appendFileSync, existsSync, readFileSync } from "node:fs";
       const best = process.argv.includes("--fused") && process.argv.includes("--encode-once");
       const log = ${JSON.stringify(log)};
       const before = existsSync(log) ? readFileSync(log, "utf8") : "";
       appendFileSync(log, best ? "b" : "u");
       const seconds = best ? 2 : [4, 2, 8][before.split("u").length - 1];
       console.log(JSON.stringify({ seconds_per_step_median: seconds, peak_rss_mb: 7 }));`,
    );
    const compared = await compareTraining(options({ python: process.execPath, peer, rounds: 3 }));
    expect(compared.forms).toEqual([
      {
        name: "pytorch",
        seconds: [4, 2, 8],
        seconds_per_step_median: 4,
        peak_rss_mb: 7,
        of_pytorch: 1,
        of_pytorch_best: 2,
      },
      {
        name: "pytorch, fused, prompts encoded once",
        seconds: [2, 2, 2],
        seconds_per_step_median: 2,
        peak_rss_mb: 7,
        of_pytorch: 0.5,
        of_pytorch_best: 1,
      },
    ]);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
});
