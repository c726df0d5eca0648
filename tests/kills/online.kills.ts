// An online run that is killed ten times, at any moment, ends with the weights of one that was not.

import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
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
  const online = "--rounds 2 --problems 70 --samples 3 --max-new-tokens 64 --no-export";
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

test("ten kills change neither weights nor log", async () => {
  const straight = performance.now();
  expect(await ended(start("straight", false))).toBe(0);
  const whole = performance.now() - straight;
  const rng = createRng(11);
  let killed = 0;
  for (let tries = 0; killed < KILLS && tries < 3 * KILLS; tries++) {
    const child = start("killed", tries > 0);
    const exit = ended(child);
    // a start alone takes a while: each try gets somewhere beyond it
    const wait = whole * (0.35 + 0.3 * rng.next());
    const code = await Promise.race([exit, new Promise<undefined>((resolve) => setTimeout(resolve, wait))]);
    if (code === 0) break;
    if (code === undefined && child.pid !== undefined) {
      process.kill(-child.pid, "SIGKILL");
      await exit;
    }
    killed += 1;
  }
  console.log(`killed ${killed} times`);
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
