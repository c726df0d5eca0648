// Requests to a real process of its own: answers, errors, and what happens when one of the two dies.

import { fork } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CapacityError, InputError } from "../../../src/shared/errors.ts";
import { type Child, startChild } from "../../../src/train/io/child-process.ts";
import type { Asked } from "./answering-process.ts";

const started: Child<Asked, Float64Array>[] = [];
afterAll(() => {
  for (const child of started) child.stop();
});

function start(module = "./answering-process.ts"): Child<Asked, Float64Array> {
  const child = startChild<Asked, Float64Array>(new URL(module, import.meta.url), {
    name: "test process",
    code: "test_ended",
    fix: "Try again.",
  });
  started.push(child);
  return child;
}

describe("a child that lives", () => {
  let child: Child<Asked, Float64Array>;
  beforeAll(() => {
    child = start();
  });

  test("every request has its answer, also when several are on their way, and typed arrays stay what they are", async () => {
    const answers = await Promise.all([child.ask({ add: [1, 2] }), child.ask({ add: [3, 4] }), child.ask({ add: [] })]);
    expect(answers.map((answer) => answer[1])).toEqual([3, 7, 0]);
    expect(answers[0]).toBeInstanceOf(Float64Array);
    expect(answers[0]?.[0]).not.toBe(process.pid);
  });

  test("an error arrives as it was thrown, and the child answers on", async () => {
    const error: unknown = await child.ask({ refuse: "no such thing" }).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(InputError);
    expect(error).toMatchObject({ code: "refused", what: "no such thing", where: "line 3", fix: "Mend it." });
    expect((await child.ask({ add: [2] }))[1]).toBe(2);
  });

  test("a fault of the program says in which process, and where", async () => {
    await expect(child.ask({ fault: "x is undefined" })).rejects.toMatchObject({
      code: "child_failed",
      message: "a test process failed: TypeError: x is undefined.",
      cause: expect.stringContaining("answering-process.ts"),
    });
  });

  test("Ctrl-C, which reaches the whole group, leaves the child its work", async () => {
    const pid = (await child.ask({ add: [] }))[0] ?? 0;
    const { answer } = await child.begin({ wait: 300 });
    process.kill(pid, "SIGINT");
    process.kill(pid, "SIGTERM");
    expect(await answer).toEqual(Float64Array.of());
  });
});

test("a child that dies fails what it was asked, and what it is asked after that", async () => {
  const child = start();
  const waiting = child.ask({ wait: 60_000 });
  const dead = { code: "test_ended", message: "a test process ended (exit code 3). Try again." };
  await expect(child.ask({ exit: 3 })).rejects.toMatchObject(dead);
  await expect(waiting).rejects.toBeInstanceOf(CapacityError);
  await expect(child.ask({ add: [1] })).rejects.toMatchObject(dead);
});

test("a child that is killed says by which signal", async () => {
  const child = start();
  const pid = (await child.ask({ add: [] }))[0] ?? 0;
  const { answer } = await child.begin({ wait: 60_000 });
  process.kill(pid, "SIGKILL");
  await expect(answer).rejects.toThrow("a test process ended (SIGKILL)");
});

test("a module that cannot be loaded is an error of the first request", async () => {
  await expect(start("./no-such-process.ts").ask({ add: [1] })).rejects.toMatchObject({ code: "test_ended" });
});

test("a child that is stopped leaves no request waiting, and ends", async () => {
  const child = start();
  const pid = (await child.ask({ add: [] }))[0] ?? 0;
  const waiting = child.ask({ wait: 60_000 });
  child.stop();
  await expect(waiting).rejects.toThrow("a test process ended (it was stopped)");
  await expectEnd(pid);
});

test("a child whose parent is killed ends", async () => {
  const parent = fork(fileURLToPath(new URL("./asking-process.ts", import.meta.url)), {
    execArgv: ["--import", "tsx"],
    stdio: ["ignore", "pipe", "inherit", "ipc"],
  });
  const pid = await new Promise<number>((resolve) => parent.stdout?.once("data", (text) => resolve(Number(text))));
  expect(isAlive(pid)).toBe(true);
  parent.kill("SIGKILL");
  await expectEnd(pid);
});

function isAlive(pid: number): boolean {
  const stat = `/proc/${pid}/stat`;
  if (existsSync(stat) && readFileSync(stat, "utf8").includes(") Z ")) return false; // ended, and nobody has asked how
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function expectEnd(pid: number): Promise<void> {
  await expect.poll(() => isAlive(pid), { timeout: 20_000 }).toBe(false);
}
