// The life of a local worker's process, seen from its parent: forked, listened to, asked to start, ended.

import { type ChildProcess, fork } from "node:child_process";
import { createRequire } from "node:module";
import { fileURLToPath, pathToFileURL } from "node:url";
import { CapacityError } from "../shared/errors.ts";
import { answerSchema, type StartRequest } from "./local-worker-protocol.ts";

export const START_LIMIT_MS = 120_000;
const STOP_LIMIT_MS = 8_000;

/** Forks the process; `lastLines` fills with what it printed last. */
export function forkWorker(
  cwd: string,
  onLog: ((line: string) => void) | undefined,
): { child: ChildProcess; lastLines: readonly string[] } {
  const script = fileURLToPath(new URL("./local-worker-process.ts", import.meta.url));
  const tsx = pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href;
  const child = fork(script, {
    cwd,
    // A group of its own: Ctrl-C reaches only the parent, which may have requests to finish.
    detached: true,
    execArgv: ["--import", tsx],
    stdio: ["ignore", "pipe", "pipe", "ipc"],
    env: {
      ...process.env,
      WRANGLER_SEND_METRICS: "false",
      WRANGLER_HIDE_BANNER: "true",
      CLOUDFLARE_CF_FETCH_ENABLED: "false",
      NO_COLOR: "1",
      FORCE_COLOR: "0",
    },
  });
  return { child, lastLines: collectLines(child, onLog) };
}

/** Passes lines on and keeps the last of them for an error message. */
function collectLines(child: ChildProcess, onLog: ((line: string) => void) | undefined): string[] {
  const last: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    let rest = "";
    stream?.setEncoding("utf8").on("data", (chunk: string) => {
      const lines = (rest + chunk).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines.filter((text) => text.trim() !== "")) {
        onLog?.(line);
        last.push(line);
        if (last.length > 20) last.shift();
      }
    });
  }
  return last;
}

/** Sends the request and waits for the worker's URL. Throws CapacityError with what the process printed last. */
export function askToStart(
  child: ChildProcess,
  request: StartRequest,
  lines: readonly string[],
): Promise<{ url: string }> {
  return new Promise((resolve, reject) => {
    const fail = (what: string) => reject(workerFailed(what, lines));
    const timer = setTimeout(() => fail(`the worker did not start in ${START_LIMIT_MS / 1000} s`), START_LIMIT_MS);
    child.once("exit", (code, signal) => {
      clearTimeout(timer);
      fail(endOf(code, signal));
    });
    child.once("error", (error) => fail(error.message));
    child.once("message", (message) => {
      clearTimeout(timer);
      const answer = answerSchema.parse(message);
      if ("url" in answer) resolve(answer);
      else fail(answer.error);
    });
    child.send(request);
  });
}

function endOf(code: number | null, signal: NodeJS.Signals | null): string {
  return `the worker's process ended (${signal ?? `exit code ${code}`})`;
}

function workerFailed(what: string, lines: readonly string[]): CapacityError {
  const printed = lines.map((line) => `\n  ${line}`).join("");
  return new CapacityError({ code: "worker_failed", what: `${what}${printed}`, where: "local worker" });
}

/** Resolves with an error when the process ends. */
export function untilEnd(child: ChildProcess, lines: readonly string[]): Promise<CapacityError> {
  return new Promise((resolve) => {
    child.once("exit", (code, signal) => resolve(workerFailed(endOf(code, signal), lines)));
  });
}

/** Closes the channel: the process then ends its workerd and itself; it is killed when it does not. */
export async function stopWorker(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once("exit", resolve));
  if (child.connected) child.disconnect();
  const timer = setTimeout(() => killGroup(child), STOP_LIMIT_MS);
  await ended;
  clearTimeout(timer);
}

/** Kills the process and its workerd at once. */
export function killGroup(child: ChildProcess): void {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch {
    // It ended in the meantime.
  }
}
