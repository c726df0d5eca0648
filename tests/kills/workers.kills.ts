// A run of two workers whose second process is killed, that is stopped by Ctrl-C, or that loses all processes, ends with the weights of one
// that ran through.

import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";

const STEPS = 12;

let dir = "";
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "worker-kills-"));
  await expectEnd(start("straight", []), 0);
});
afterAll(() => rm(dir, { recursive: true, force: true }));

interface Run {
  child: ChildProcess;
  output(): string;
  exit: Promise<number | null>;
}

function start(name: string, flags: string[]): Run {
  const fixed = `--workers 2 --batch-size 4 --max-steps ${STEPS} --learning-rate 1e-3 --logging-steps 1 --sample-prompts 0 --no-export`;
  const scores = `--loss-type sigmoid --reference-free --data data/dpo/train.jsonl --output ${join(dir, name)}`;
  const args = ["--import", "tsx", "scripts/train.ts", ...fixed.split(" "), ...scores.split(" "), ...flags];
  // a process group of its own, to which Ctrl-C is sent as a terminal does
  const child = spawn(process.execPath, args, { detached: true, stdio: ["ignore", "pipe", "pipe"] });
  let text = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (text += String(chunk)));
  return { child, output: () => text, exit: new Promise((resolve) => child.once("exit", resolve)) };
}

async function expectEnd(run: Run, code: number): Promise<void> {
  const ended = await run.exit;
  expect(ended, run.output()).toBe(code);
}

/** Processes below the run that compute gradients, from Linux's list of processes. */
function workersOf({ child }: Run): number[] {
  return readdirSync("/proc").flatMap((entry) => {
    const pid = Number(entry);
    if (!Number.isInteger(pid)) return [];
    try {
      const parent = /^PPid:\s*(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
      const command = readFileSync(`/proc/${pid}/cmdline`, "utf8");
      return Number(parent) === child.pid && command.includes("gradient-process") ? [pid] : [];
    } catch {
      return []; // it ended meanwhile
    }
  });
}

const lines = (name: string): string[] => {
  const path = join(dir, name, "metrics.jsonl");
  return existsSync(path) ? readFileSync(path, "utf8").trim().split("\n") : [];
};

/** Waits until the run has logged so many steps; fails where it ends before. */
async function reaches(run: Run, name: string, steps: number): Promise<void> {
  while (lines(name).length < steps) {
    if (run.child.exitCode !== null) throw new Error(`the run ended first: ${run.output()}`);
    await setTimeout(5);
  }
}

async function expectSameAsStraight(name: string): Promise<void> {
  const weights = (of: string): Promise<Buffer> => readFile(join(dir, of, "model.safetensors"));
  expect((await weights(name)).equals(await weights("straight"))).toBe(true);
  expect(lines(name)).toEqual(lines("straight"));
}

test("a worker that is killed is replaced, and the curve is the same", async () => {
  const run = start("killed", []);
  await reaches(run, "killed", 2);
  const [worker, ...others] = workersOf(run);
  expect(others).toEqual([]);
  if (worker !== undefined) process.kill(worker, "SIGKILL");
  await expectEnd(run, 0);
  expect(run.output()).toContain("ended (SIGKILL): another one takes its place");
  await expectSameAsStraight("killed");
});

test("Ctrl-C ends all processes after a checkpoint, from which the run goes on", async () => {
  const run = start("stopped", []);
  await reaches(run, "stopped", 3);
  const workers = workersOf(run);
  expect(workers).toHaveLength(1);
  process.kill(-(run.child.pid ?? Number.NaN), "SIGINT");
  await expectEnd(run, 130);
  expect(run.output()).toContain("--resume");
  while (workers.some((pid) => existsSync(`/proc/${pid}`))) await setTimeout(5);
  await expectEnd(start("stopped", ["--resume"]), 0);
  await expectSameAsStraight("stopped");
});

test("where workers keep dying, the run ends with an error and a checkpoint, from which it goes on", async () => {
  const run = start("dying", []);
  await reaches(run, "dying", 2);
  let ended = false;
  run.exit.finally(() => (ended = true)).catch(() => {});
  while (!ended) {
    for (const pid of workersOf(run)) process.kill(pid, "SIGKILL");
    await setTimeout(5);
  }
  await expectEnd(run, 1);
  expect(run.output()).toContain("a process that computes gradients ended (SIGKILL)");
  expect(readdirSync(join(dir, "dying")).some((entry) => /^checkpoint-\d+$/.test(entry))).toBe(true);
  await expectEnd(start("dying", ["--resume"]), 0);
  await expectSameAsStraight("dying");
});

test("where the trainer itself is killed, its worker ends too", async () => {
  const run = start("orphan", []);
  await reaches(run, "orphan", 2);
  const [worker] = workersOf(run);
  process.kill(run.child.pid ?? Number.NaN, "SIGKILL");
  await run.exit;
  while (existsSync(`/proc/${worker}`)) await setTimeout(5);
});
