// The worker's app on Node: the same routes and engine, onnxruntime-node on all cores, models from their folders.

import type { EventEmitter } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { serve } from "@hono/node-server";
import { getConnInfo } from "@hono/node-server/conninfo";
import { type App, createApp } from "../edge/app.ts";
import { createEngine } from "../edge/engine/engine.ts";
import { type Env, type PageFiles, parseSettings } from "../edge/env.ts";
import { notRenewed } from "../edge/http/errors.ts";
import { createMetrics } from "../edge/http/metrics.ts";
import { isLoopback } from "../edge/http/trusted-hosts.ts";
import { InputError } from "../shared/errors.ts";
import type { Dtype } from "../shared/onnx-names.ts";
import { folderStore } from "./folder-store.ts";
import { createNodeRuntime } from "./node-runtime.ts";

export interface ServeOptions {
  /** Exported model folders. */
  policyDir: string;
  rewardDir: string;
  /** Another policy to hold beside the first, scored by the same reward model: the same API below `/baseline`. */
  baselineDir?: string | undefined;
  dtype: Dtype;
  host: string;
  /** 0: any free one. */
  port: number;
  /** Threads of a graph; all cores by default. */
  threads?: number | undefined;
  /** The worker's variables and secrets, by the names of wrangler.toml. */
  env: Readonly<Record<string, string | undefined>>;
  /** Copies the pages into a folder. */
  preparePages: (dir: string) => Promise<void>;
  log: (line: string) => void;
}

/** A request's head and body must arrive in this time; an answer may take longer. */
const MAX_ARRIVAL_MS = 20_000;
/** What runs when the server is stopped may end in this time: Docker kills after 10 s. */
const MAX_STOP_MS = 8_000;

/**
 * Starts the server when both models are open; `stop` takes no more requests and lets what runs end, for some seconds. Throws
 * ArtifactError for a model that is unfit, InputError for a port that is taken.
 */
export async function startServer(options: ServeOptions): Promise<{ url: string; stop(): Promise<void> }> {
  // before the models are opened, which takes long
  await checkPort(options);
  const pagesDir = await mkdtemp(join(tmpdir(), "stepwise-pages-"));
  const removePages = () => rm(pagesDir, { recursive: true, force: true });
  try {
    const app = await openApps(options, pagesDir);
    await options.preparePages(pagesDir);
    const server = serve({ fetch: app.fetch, hostname: options.host, port: options.port });
    Object.assign(server, { requestTimeout: MAX_ARRIVAL_MS, headersTimeout: MAX_ARRIVAL_MS });
    await listening(server, options);
    const address = server.address();
    const { port } = isAddress(address) ? address : options;
    return {
      url: `http://${inUrl(options.host)}:${port}`,
      async stop() {
        await new Promise<void>((resolve) => {
          server.close(() => resolve());
          const cut = () => "closeAllConnections" in server && server.closeAllConnections();
          setTimeout(cut, MAX_STOP_MS).unref();
        });
        await removePages();
      },
    };
  } catch (error) {
    await removePages();
    throw error;
  }
}

/** Throws InputError where nobody can listen. */
async function checkPort(options: ServeOptions): Promise<void> {
  const probe = createServer();
  const { host, port } = options;
  const isListening = listening(probe, options);
  probe.listen({ host, port });
  await isListening;
  await new Promise((resolve) => probe.close(resolve));
}

function listening(server: EventEmitter, options: ServeOptions): Promise<void> {
  return new Promise<void>((resolve, reject) => {
    server.once("listening", resolve);
    server.once("error", (cause) => reject(cannotListen(options, cause)));
  });
}

/** The app on its policy, and on the baseline where there is one. */
async function openApps(options: ServeOptions, pagesDir: string): Promise<App> {
  const pages = folderStore({ docs: join(pagesDir, "docs"), playground: join(pagesDir, "playground") });
  const { baselineDir } = options;
  const app = await openApp(options, baselineDir === undefined ? pages : pagesBesideBaseline(pages));
  if (baselineDir === undefined) return app;
  const baseline = await openApp({ ...options, policyDir: baselineDir }, undefined);
  app.mount("/baseline", baseline.fetch);
  return app;
}

/** A host as a URL writes it. */
function inUrl(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}

/** The app on one policy, its models open. */
async function openApp(options: ServeOptions, pages: PageFiles | undefined): Promise<App> {
  const { policyDir, rewardDir, dtype, threads = availableParallelism(), log } = options;
  const settings = parseSettings({
    MODEL_DOWNLOADS: String(isLoopback(options.host)),
    ALLOWED_HOSTS: isLoopback(options.host) ? "localhost" : "*",
    ...variablesOf(options.env),
    POLICY_MODEL: "policy",
    REWARD_MODEL: policyDir === rewardDir ? "policy" : "reward",
    DTYPE: dtype,
  });
  const store = folderStore({ policy: policyDir, reward: rewardDir });
  const metrics = createMetrics(settings.keys.map(({ name }) => name));
  const engine = createEngine({
    store,
    runtime: createNodeRuntime(threads),
    policy: settings.POLICY_MODEL,
    reward: settings.REWARD_MODEL,
    dtype,
    maxWaiting: settings.MAX_WAITING,
    renewMs: settings.MODEL_CHECK_SECONDS * 1_000,
    report: (error) => log(notRenewed(error)),
    observe: metrics.observe,
  });
  await engine.load();
  return createApp({
    engine,
    settings,
    metrics,
    models: store,
    pages,
    addressOf: (c) => getConnInfo(c).remote.address,
    log,
  });
}

/** The page's head says what stands behind it: here also a baseline, below `/baseline`. */
function pagesBesideBaseline(pages: PageFiles): PageFiles {
  return {
    read: pages.read,
    async stream(path) {
      const stream = await pages.stream(path);
      if (path !== "playground/index.html" || stream === undefined) return stream;
      const html = await new Response(stream).text();
      return new Response(html.replace('content="worker"', 'content="baseline"')).body ?? undefined;
    },
  };
}

/** The variables that are set. */
function variablesOf(env: ServeOptions["env"]): Env {
  return Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined));
}

function isAddress(address: unknown): address is AddressInfo {
  return typeof address === "object" && address !== null && "port" in address;
}

function cannotListen({ host, port }: ServeOptions, cause: Error): InputError {
  return new InputError({
    code: "port_taken",
    what: `cannot listen on ${inUrl(host)}:${port}: ${cause.message}`,
    fix: "Choose another --port or --host.",
    cause,
  });
}
