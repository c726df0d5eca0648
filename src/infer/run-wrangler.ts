// Wrangler's command line in a process of its own.

import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { CapacityError } from "../shared/errors.ts";
import { PROJECT_ROOT } from "./local-worker.ts";

/**
 * Runs wrangler in the project's folder, and resolves with what it printed to stdout unless `show` lets it have the terminal. `input` is
 * what it reads. Throws CapacityError with the last that it said.
 */
export async function runWrangler(
  args: readonly string[],
  options: { show?: boolean; fix?: string; input?: string } = {},
): Promise<string> {
  const bin = join(dirname(createRequire(import.meta.url).resolve("wrangler")), "../bin/wrangler.js");
  const child = spawn(process.execPath, [bin, ...args], {
    cwd: PROJECT_ROOT,
    stdio: options.show === true ? "inherit" : [options.input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
    env: { ...process.env, WRANGLER_SEND_METRICS: "false", WRANGLER_HIDE_BANNER: "true" },
  });
  child.stdin?.end(options.input);
  let said = "";
  let printed = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding("utf8").on("data", (text: string) => {
      if (stream === child.stdout) printed += text;
      said = `${said}${text}`.slice(-4000);
    });
  }
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  if (code === 0) return printed;
  throw new CapacityError({
    code: "wrangler_failed",
    what: `wrangler ${args[0] ?? ""} ended with exit code ${code}${said === "" ? "" : `\n${said}`}`,
    fix: options.fix,
  });
}
