// Ctrl-C as a terminal sends it, to the whole group: npm, its shell and the run. The run hears it once, and can be gone on with.

import { spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";

let dir = "";
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "interrupt-kills-"));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

/** Steps enough that none of these runs comes to its end. */
const STEPS = 5_000;

async function interrupted(name: string, ...flags: string[]): Promise<string> {
  const output = join(dir, name);
  const settings = `--loss-type sft --data data/dpo/train.jsonl --batch-size 8 --max-steps ${STEPS} --logging-steps 1 --sample-prompts 0 --no-export`;
  const args = ["run", "train", "--", ...settings.split(" "), "--output", output, ...flags];
  const child = spawn("npm", args, { detached: true, stdio: ["ignore", "pipe", "pipe"] });
  let text = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (text += String(chunk)));
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const logged = (): number => {
    const file = join(output, "metrics.jsonl");
    return existsSync(file) ? readFileSync(file, "utf8").trim().split("\n").length : 0;
  };
  const before = logged();
  while (logged() < before + 3) {
    if (child.exitCode !== null) throw new Error(`the run ended first: ${text}`);
    await setTimeout(5);
  }
  process.kill(-Number(child.pid), "SIGINT");
  await ended;
  return text;
}

const checkpoints = (name: string): number[] =>
  readdirSync(join(dir, name)).flatMap((file) => Number(/^checkpoint-(\d+)$/.exec(file)?.[1] ?? Number.NaN) || []);

test("one Ctrl-C under npm run is one: a checkpoint is written, and the run goes on from there", async () => {
  const first = await interrupted("run");
  expect(first).toContain("stopping where the work can be continued");
  const [reached] = checkpoints("run");
  expect(reached).toBeGreaterThanOrEqual(3);
  await interrupted("run", "--resume");
  expect(Math.max(...checkpoints("run"))).toBeGreaterThan(Number(reached));
});
