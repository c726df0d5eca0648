// The worker on this machine: real workerd, started through wrangler in a process of its own, with its own copy of the models.
// Several can run at once.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import getPort, { clearLockedPorts } from "get-port";
import { z } from "zod";
import { ArtifactError, type CapacityError, InputError } from "../shared/errors.ts";
import type { Dtype } from "../shared/onnx-names.ts";
import { type EdgeModels, prepareEdgeModels } from "./edge-models.ts";
import { prepareEdgePages, preparePlayground } from "./edge-pages.ts";
import { prepareEdgeWasm } from "./edge-wasm.ts";
import type { StartRequest } from "./local-worker-protocol.ts";
import { readPlatformConfig } from "./platform-config.ts";
import { askToStart, forkWorker, killGroup, START_LIMIT_MS, stopWorker, untilEnd } from "./worker-child.ts";

/** The project's folder. */
export const PROJECT_ROOT = fileURLToPath(new URL("../../", import.meta.url));
/** The wasm that src/edge/ort.ts imports. */
export const EDGE_WASM = join(PROJECT_ROOT, "outputs/edge_build/ort-wasm-simd.wasm");
/** Wrangler's local asset server takes seconds for the first read of a larger file. */
const MAX_SERVED_ASSET_BYTES = 8 * 2 ** 20;
export const WRANGLER_CONFIG = join(PROJECT_ROOT, "wrangler.toml");

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
  /** Also serve the playground at `/`, built if need be. */
  playground?: boolean | undefined;
  /** Switches batches on; their files and state lie in this folder and outlive the worker. */
  batchDir?: string | undefined;
  /** workerd's inspector listens: for measurements. */
  inspect?: boolean | undefined;
  /** The worker's script; wrangler.toml's by default. */
  main?: string | undefined;
}

export interface LocalWorker {
  /** Without a slash at the end. */
  url: string;
  /** Ends the worker and removes its copy of the models. */
  stop(): Promise<void>;
  /** Ends the worker at once (SIGKILL), as a fault of the machine would. */
  kill(): Promise<void>;
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
    const removeAfter = (end: () => Promise<void>) => async () => {
      await end();
      await rm(assetsDir, { recursive: true, force: true });
    };
    const stop = removeAfter(worker.stop);
    try {
      const failure = await Promise.race([waitUntilHealthy(worker.url), worker.ended]);
      if (failure !== undefined) throw failure;
    } catch (error) {
      await stop();
      throw error;
    }
    return { url: worker.url, stop, kill: removeAfter(worker.kill) };
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
): Promise<LocalWorker & { ended: Promise<CapacityError> }> {
  const { assetsDir, models, dtype = "int8", env = {}, onLog, watch = false } = options;
  const port = await choosePort(options.port);
  await prepareEdgeWasm(EDGE_WASM);
  const { bucket } = await readPlatformConfig(WRANGLER_CONFIG);
  // a bucket is the deployed worker's: the local one of its name is empty
  const serveFiles = bucket !== undefined || models.files.some(({ bytes }) => bytes > MAX_SERVED_ASSET_BYTES);
  const pagesDir = serveFiles ? join(assetsDir, "pages") : assetsDir;
  await prepareEdgePages(pagesDir);
  if (options.playground === true) await preparePlayground(pagesDir);
  const { child, lastLines } = forkWorker(PROJECT_ROOT, onLog);
  const killNow = () => killGroup(child);
  process.once("exit", killNow);
  const stop = async () => {
    process.off("exit", killNow);
    await stopWorker(child);
  };
  const kill = async () => {
    killNow();
    await stop();
  };
  const request: StartRequest = {
    configPath: WRANGLER_CONFIG,
    assetsDir,
    ...(!watch && { envFile: join(assetsDir, "none.env") }),
    serveFiles,
    pagesDir,
    port,
    vars: {
      POLICY_MODEL: models.policy,
      REWARD_MODEL: models.reward,
      DTYPE: dtype,
      // the limit is for a public address
      LIMIT_ADDRESSES: "false",
      ALLOWED_HOSTS: "localhost",
      ...env,
    },
    watch,
    ...(options.batchDir !== undefined && { batchDir: options.batchDir }),
    ...(options.main !== undefined && { main: options.main }),
    inspect: options.inspect ?? false,
    removeAssets: options.removeAssets ?? false,
  };
  try {
    const ended = untilEnd(child, lastLines);
    return { ...(await askToStart(child, request, lastLines)), stop, kill, ended };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function choosePort(asked: number | undefined): Promise<number> {
  if (asked === undefined) return getPort();
  // one that this process had before is free when its worker has ended
  clearLockedPorts();
  const free = await getPort({ port: asked, host: "127.0.0.1" });
  if (free === asked) return asked;
  throw new InputError({
    code: "port_taken",
    what: `port ${asked} is taken`,
    fix: `Choose another, e.g. --port ${free}.`,
  });
}

const errorSchema = z.object({ error: z.string() });

async function waitUntilHealthy(url: string): Promise<undefined> {
  const signal = AbortSignal.timeout(START_LIMIT_MS);
  const response = await fetch(`${url}/health`, { signal }).catch(async (cause: unknown) => {
    // A process that ends breaks the connection off first: let its own words win.
    if (!signal.aborted) await setTimeout(2_000);
    const what = signal.aborted ? `no answer in ${START_LIMIT_MS / 1000} s` : "the connection was broken off";
    throw new ArtifactError({ code: "worker_not_ready", what, where: "local worker", cause });
  });
  const text = await response.text();
  if (response.ok) return undefined;
  const error = response.headers.get("content-type")?.startsWith("application/json")
    ? errorSchema.parse(JSON.parse(text)).error
    : `status ${response.status}`;
  throw new ArtifactError({ code: "worker_not_ready", what: error.replace(/\.$/, ""), where: "local worker" });
}
