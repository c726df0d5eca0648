// The worker in workerd alone, as it runs when it is deployed: wrangler bundles it and takes no part in serving. Model files come from
// workerd's own disk service. https://github.com/cloudflare/workerd/blob/main/src/workerd/server/workerd.capnp

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { unstable_readConfig } from "wrangler";
import { z } from "zod";
import type { EdgeModels } from "../infer/edge-models.ts";
import { prepareEdgeWasm } from "../infer/edge-wasm.ts";
import { EDGE_WASM, WRANGLER_CONFIG } from "../infer/local-worker.ts";
import { runWrangler } from "../infer/run-wrangler.ts";
import { CapacityError } from "../shared/errors.ts";

export interface PlainWorkerd {
  /** Without a slash at the end. */
  url: string;
  /** A `ws://` URL. */
  inspectorUrl: URL;
  /** From its start until it listened. */
  startMs: number;
  stop(): Promise<void>;
}

const START_LIMIT_MS = 30_000;

/** Bundles the worker and starts workerd with it. Throws CapacityError when either fails. */
export async function startPlainWorkerd(options: { assetsDir: string; models: EdgeModels }): Promise<PlainWorkerd> {
  const { assetsDir, models } = options;
  await prepareEdgeWasm(EDGE_WASM);
  const dir = await mkdtemp(join(tmpdir(), "stepwise-workerd-"));
  try {
    await runWrangler(["deploy", "--config", WRANGLER_CONFIG, "--dry-run", "--assets", dir, "--outdir", dir]);
    await writeFile(join(dir, "config.capnp"), workerdConfig(await readdir(dir), assetsDir, models));
    const started = performance.now();
    const { child, url, inspectorUrl } = await startWorkerd(dir);
    const startMs = performance.now() - started;
    const killNow = () => child.kill("SIGKILL");
    process.once("exit", killNow);
    return {
      url,
      inspectorUrl,
      startMs,
      async stop() {
        process.off("exit", killNow);
        if (child.exitCode === null && child.signalCode === null) {
          child.kill("SIGKILL");
          await once(child, "exit");
        }
        await rm(dir, { recursive: true, force: true });
      },
    };
  } catch (error) {
    await rm(dir, { recursive: true, force: true });
    throw error;
  }
}

/** The bundle's modules, wrangler.toml's date, flags and variables, and the models as the service that the worker reads first. */
function workerdConfig(files: readonly string[], assetsDir: string, models: EdgeModels): string {
  const settings = unstable_readConfig({ config: WRANGLER_CONFIG }, { hideWarnings: true });
  const quoted = (text: string): string => JSON.stringify(text);
  const list = (items: readonly string[]): string => `[\n    ${items.join(",\n    ")}\n  ]`;
  const module = (file: string, kind: string) => `(name = ${quoted(file)}, ${kind} = embed ${quoted(file)})`;
  const wasm = files.filter((file) => file.endsWith(".wasm"));
  // the main module stands first
  const modules = [module("worker.js", "esModule"), ...wasm.map((file) => module(file, "wasm"))];
  const vars = { ...settings.vars, POLICY_MODEL: models.policy, REWARD_MODEL: models.reward };
  const texts = Object.entries(vars).map(
    ([name, value]) => `(name = ${quoted(name)}, text = ${quoted(String(value))})`,
  );
  return `using Workerd = import "/workerd/workerd.capnp";
const worker :Workerd.Worker = (
  modules = ${list(modules)},
  compatibilityDate = ${quoted(settings.compatibility_date ?? "")},
  compatibilityFlags = ${list(settings.compatibility_flags.map(quoted))},
  bindings = ${list([...texts, `(name = "MODEL_FILES", service = "models")`])}
);
const config :Workerd.Config = (
  services = [
    (name = "main", worker = .worker),
    (name = "models", disk = ${quoted(assetsDir)})
  ],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")]
);
`;
}

const eventSchema = z.object({ event: z.string(), port: z.number().optional() });

async function startWorkerd(dir: string): Promise<{ child: ChildProcess; url: string; inspectorUrl: URL }> {
  const fromWrangler = createRequire(createRequire(import.meta.url).resolve("wrangler"));
  const bin = z.object({ default: z.string() }).parse(fromWrangler("workerd")).default;
  const args = ["serve", join(dir, "config.capnp"), "--inspector-addr=127.0.0.1:0", "--control-fd=3"];
  const child = spawn(bin, args, { stdio: ["ignore", "ignore", "pipe", "pipe"] });
  const ports = new Map<string, number>();
  let said = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    said = `${said}${text}`.slice(-2000);
  });
  const control = child.stdio[3];
  if (!(control instanceof Readable)) throw new TypeError("no control channel");
  let rest = "";
  const listening = new Promise<void>((resolve) => {
    control.setEncoding("utf8").on("data", (text: string) => {
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        const { event, port } = eventSchema.parse(JSON.parse(line));
        if (port !== undefined) ports.set(event, port);
      }
      if (ports.has("listen") && ports.has("listen-inspector")) resolve();
    });
  });
  const ended = once(child, "exit").then(() => "workerd ended");
  const limit = new Promise<string>((resolve) => setTimeout(resolve, START_LIMIT_MS, "workerd did not start").unref());
  const failure = await Promise.race([listening, ended, limit]);
  if (typeof failure === "string") {
    child.kill("SIGKILL");
    throw new CapacityError({ code: "worker_failed", what: `${failure}\n  ${said}`, where: "workerd" });
  }
  return {
    child,
    url: `http://127.0.0.1:${ports.get("listen")}`,
    inspectorUrl: new URL(`ws://127.0.0.1:${ports.get("listen-inspector")}/main`),
  };
}
