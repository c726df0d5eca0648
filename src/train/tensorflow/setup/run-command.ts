// One child process, with a time limit, its last output kept for error messages.

import { spawn } from "node:child_process";

/** How a command ended; `code` is null when it was killed or could not be started. */
export interface CommandResult {
  code: number | null;
  stdout: string;
  /** Why it failed, in one line: the last non-empty line of its output, the time limit, or "not found". */
  reason: string;
}

const TAIL = 20_000;

/** Runs a command to its end; never rejects. `showOutput` passes its stdout on to ours (progress bars). */
export function runCommand(
  command: string,
  args: readonly string[],
  options: {
    cwd?: string;
    env?: NodeJS.ProcessEnv;
    timeoutMs: number;
    showOutput?: boolean;
    signal?: AbortSignal | undefined;
  },
): Promise<CommandResult> {
  return new Promise((resolve) => {
    let stdout = "";
    let all = "";
    let stopped: string | undefined;
    const child = spawn(command, [...args], {
      cwd: options.cwd,
      env: options.env ?? process.env,
      stdio: ["ignore", options.showOutput === true ? "inherit" : "pipe", "pipe"],
    });
    const stop = (why: string) => {
      stopped ??= why;
      child.kill("SIGKILL");
    };
    const timer = setTimeout(() => stop(`no end after ${Math.round(options.timeoutMs / 1000)} s`), options.timeoutMs);
    const onAbort = () => stop("interrupted");
    if (options.signal?.aborted === true) onAbort();
    options.signal?.addEventListener("abort", onAbort, { once: true });
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      stdout = (stdout + text).slice(-TAIL);
      all = (all + text).slice(-TAIL);
    });
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      all = (all + text).slice(-TAIL);
    });
    const finish = (code: number | null, reason: string) => {
      clearTimeout(timer);
      options.signal?.removeEventListener("abort", onAbort);
      resolve({ code, stdout, reason });
    };
    child.on("error", (error) =>
      finish(null, "code" in error && error.code === "ENOENT" ? `${command} not found` : error.message),
    );
    child.on("close", (code) => finish(code, stopped ?? (lastLine(all) || `${command} ended with code ${code}`)));
  });
}

/** Of several lines, the last that says something; compilers and pip mark it with "error". */
function lastLine(text: string): string {
  const lines = text
    .split(/[\r\n]+/)
    .map((line) => line.trim())
    .filter((line) => line !== "");
  const marked = lines.filter((line) => /error/i.test(line) && !/^\d+ errors?/.test(line));
  return (marked.at(-1) ?? lines.at(-1) ?? "").slice(0, 300);
}
