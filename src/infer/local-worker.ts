// The worker on this machine: real workerd, started through wrangler in a process of its own, with its own copy of the models.
// Several can run at once.

import { type ChildProcess, fork } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import getPort from "get-port";
import { z } from "zod";
import { ArtifactError, CapacityError, InputError } from "../shared/errors.ts";
import type { Dtype } from "../shared/onnx-names.ts";
import { type EdgeModels, MAX_ASSET_BYTES, prepareEdgeModels } from "./edge-models.ts";
import { prepareEdgeWasm } from "./edge-wasm.ts";
import { answerSchema, type StartRequest } from "./local-worker-protocol.ts";

/** The project's folder. */
export const PROJECT_ROOT = fileURLToPath(new URL("../../", import.meta.url));
/** The wasm that src/edge/ort.ts imports. */
export const EDGE_WASM = join(PROJECT_ROOT, "outputs/edge_build/ort-wasm-simd.wasm");
export const WRANGLER_CONFIG = join(PROJECT_ROOT, "wrangler.toml");

const START_LIMIT_MS = 120_000;
const STOP_LIMIT_MS = 8_000;

export interface LocalWorkerOptions {
  policyDir: string;
  rewardDir: string;
  /** A free port is chosen when none is given. */
  port?: number | undefined;
  dtype?: Dtype | undefined;
  /** Further worker variables, by the names of wrangler.toml. */
  env?: Readonly<Record<string, string>> | undefined;
  /** Each line that the worker or wrangler prints. */
  onLog?: ((line: string) => void) | undefined;
  /** Rebuild when the worker's sources change, and read .dev.vars: for `npm run dev`. */
  watch?: boolean | undefined;
}

export interface LocalWorker {
  /** Without a slash at the end. */
  url: string;
  /** Ends the worker and removes its copy of the models. */
  stop(): Promise<void>;
}

/**
 * Starts a worker and waits until both models are open. Throws ArtifactError for a model that is absent or damaged,
 * InputError for a port that is taken, CapacityError when the worker does not start in two minutes.
 */
export async function startLocalWorker(options: LocalWorkerOptions): Promise<LocalWorker> {
  const assetsDir = await mkdtemp(join(tmpdir(), "stepwise-worker-"));
  try {
    const { policyDir, rewardDir, dtype } = options;
    const models = await prepareEdgeModels({ policyDir, rewardDir, assetsDir, dtype });
    const worker = await startOnAssets({ ...options, assetsDir, models, removeAssets: true });
    const stop = async () => {
      await worker.stop();
      await rm(assetsDir, { recursive: true, force: true });
    };
    try {
      await waitUntilHealthy(worker.url);
    } catch (error) {
      await stop();
      throw error;
    }
    return { url: worker.url, stop };
  } catch (error) {
    await rm(assetsDir, { recursive: true, force: true });
    throw error;
  }
}

/** Starts a worker on a directory of models as it is; the worker itself says by /health whether it can use them. */
export async function startOnAssets(
  options: Omit<LocalWorkerOptions, "policyDir" | "rewardDir"> & {
    assetsDir: string;
    models: EdgeModels;
    /** The directory goes when the worker ends, even when this process is killed. */
    removeAssets?: boolean | undefined;
  },
): Promise<LocalWorker> {
  const { assetsDir, models, dtype = "int8", env = {}, onLog, watch = false } = options;
  const port = await choosePort(options.port);
  await prepareEdgeWasm(EDGE_WASM);
  const child = forkProcess();
  const lines = collectLines(child, onLog);
  const killNow = () => killGroup(child);
  process.once("exit", killNow);
  const stop = async () => {
    process.off("exit", killNow);
    await stopProcess(child);
  };
  const request: StartRequest = {
    configPath: WRANGLER_CONFIG,
    assetsDir,
    ...(!watch && { envFile: join(assetsDir, "none.env") }),
    serveFiles: models.files.some(({ bytes }) => bytes > MAX_ASSET_BYTES),
    port,
    vars: { POLICY_MODEL: models.policy, REWARD_MODEL: models.reward, DTYPE: dtype, ...env },
    watch,
    removeAssets: options.removeAssets ?? false,
  };
  try {
    return { url: await askToStart(child, request, lines), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function choosePort(asked: number | undefined): Promise<number> {
  if (asked === undefined) return getPort();
  const free = await getPort({ port: asked, host: "127.0.0.1" });
  if (free === asked) return asked;
  throw new InputError({
    code: "port_taken",
    what: `port ${asked} is taken`,
    fix: `Choose another, e.g. --port ${free}.`,
  });
}

function forkProcess(): ChildProcess {
  const script = fileURLToPath(new URL("./local-worker-process.ts", import.meta.url));
  const tsx = pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href;
  return fork(script, {
    cwd: PROJECT_ROOT,
    // A group of its own: Ctrl-C reaches the parent alone, which may have requests to finish.
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

function askToStart(child: ChildProcess, request: StartRequest, lines: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const fail = (what: string) =>
      reject(
        new CapacityError({
          code: "worker_failed",
          what: `${what}${lines.map((line) => `\n  ${line}`).join("")}`,
          where: "local worker",
        }),
      );
    const timer = setTimeout(() => fail(`the worker did not start in ${START_LIMIT_MS / 1000} s`), START_LIMIT_MS);
    child.once("exit", (code, signal) => {
      clearTimeout(timer);
      fail(`the worker's process ended (${signal ?? `exit code ${code}`})`);
    });
    child.once("error", (error) => fail(error.message));
    child.once("message", (message) => {
      clearTimeout(timer);
      const answer = answerSchema.parse(message);
      if ("url" in answer) resolve(answer.url);
      else fail(answer.error);
    });
    child.send(request);
  });
}

/** The process ends its workerd and then itself once the channel is closed. */
async function stopProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once("exit", resolve));
  if (child.connected) child.disconnect();
  const timer = setTimeout(() => killGroup(child), STOP_LIMIT_MS);
  await ended;
  clearTimeout(timer);
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch {
    // It ended in the meantime.
  }
}

const errorSchema = z.object({ error: z.string() });

async function waitUntilHealthy(url: string): Promise<void> {
  const response = await fetch(`${url}/health`, { signal: AbortSignal.timeout(START_LIMIT_MS) });
  const text = await response.text();
  if (response.ok) return;
  const error = response.headers.get("content-type")?.startsWith("application/json")
    ? errorSchema.parse(JSON.parse(text)).error
    : `status ${response.status}`;
  throw new ArtifactError({ code: "worker_not_ready", what: error.replace(/\.$/, ""), where: "local worker" });
}
