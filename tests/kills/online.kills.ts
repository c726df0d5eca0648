// An online run that is killed ten times, at any moment, ends with the weights of one that was not.

import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readdirSync, statSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createRng } from "../../src/shared/rng.ts";

const KILLS = 10;

let dir = "";
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "online-kills-"));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

function start(name: string, resume: boolean): ChildProcess {
  const flags =
    "--online --loss-type grpo --advantages progress --learning-rate 1e-4 --batch-size 4 --epochs 1 --save-steps 1 --logging-steps 1";
  const online = "--max-steps 8 --rounds 2 --problems 200 --samples 2 --max-new-tokens 64 --no-export";
  const args = [
    ...flags.split(" "),
    ...online.split(" "),
    "--output",
    join(dir, name),
    ...(resume ? ["--resume"] : []),
  ];
  // a process group of its own: a kill takes the decoding processes too
  return spawn("npx", ["tsx", "scripts/train.ts", ...args], { detached: true, stdio: "ignore" });
}

const ended = (child: ChildProcess): Promise<number | null> => new Promise((resolve) => child.once("exit", resolve));

/** What a run has put on disk so far: changes as it gets on. */
function progressOf(name: string): string {
  const rounds = join(dir, name, "rounds");
  if (!existsSync(rounds)) return "";
  const files = readdirSync(rounds, { recursive: true, encoding: "utf8" });
  const kept = files.filter((file) => /partial|rollouts|checkpoint-\d+$/.test(file)).sort();
  return kept.map((file) => `${file} ${statSync(join(rounds, file), { throwIfNoEntry: false })?.size ?? 0}`).join();
}

/** Waits until the run has got on since `before`, then a moment of random length, in which it may be writing. */
async function getsOn(name: string, before: string, moment: number): Promise<undefined> {
  while (progressOf(name) === before) await setTimeout(5);
  await setTimeout(moment);
}

test("ten kills change neither weights nor log", async () => {
  expect(await ended(start("straight", false))).toBe(0);
  const rng = createRng(11);
  let killed = 0;
  for (; killed < KILLS; killed++) {
    const before = progressOf("killed");
    const child = start("killed", killed > 0);
    const exit = ended(child);
    const code = await Promise.race([exit, getsOn("killed", before, 400 * rng.next())]);
    expect(code, "the run ended before it could be killed ten times").toBeUndefined();
    if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
    await exit;
  }
  expect(await ended(start("killed", true))).toBe(0);
  const read = (name: string, file: string): Promise<Buffer> => readFile(join(dir, name, file));
  expect((await read("killed", "model.safetensors")).equals(await read("straight", "model.safetensors"))).toBe(true);
  const timeless = async (name: string): Promise<unknown[]> =>
    (await read(name, "metrics.jsonl"))
      .toString("utf8")
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line.replace(/,"(sample|update)_seconds":[^,}]*/g, "")));
  expect(await timeless("killed")).toEqual(await timeless("straight"));
});
