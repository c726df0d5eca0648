// The process that runs one local worker: wrangler's bundler and real workerd, told what to do by its parent over IPC.
// It ends when the parent lets go of it, however the parent ended.

import { rm } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { unstable_startWorker } from "wrangler";
import { z } from "zod";

const requestSchema = z.object({
  configPath: z.string(),
  assetsDir: z.string(),
  /** A file that need not exist; it keeps a developer's .dev.vars out. */
  envFile: z.string().optional(),
  port: z.number(),
  vars: z.record(z.string(), z.string()),
  watch: z.boolean(),
  /** The assets directory is this worker's own: it goes when the worker goes. */
  removeAssets: z.boolean(),
});

/** What the parent asks for. */
export type StartRequest = z.infer<typeof requestSchema>;

/** What this process answers. */
export const answerSchema = z.union([z.object({ url: z.string() }), z.object({ error: z.string() })]);

async function start(request: StartRequest): Promise<void> {
  const worker = await unstable_startWorker({
    config: request.configPath,
    assets: request.assetsDir,
    ...(request.envFile !== undefined && { envFiles: [request.envFile] }),
    bindings: Object.fromEntries(
      Object.entries(request.vars).map(([name, value]) => [name, { type: "plain_text" as const, value }]),
    ),
    sendMetrics: false,
    dev: {
      server: { hostname: "127.0.0.1", port: request.port },
      inspector: false,
      persist: false,
      watch: request.watch,
      logLevel: "log",
    },
  });
  await worker.ready;
  const url = await worker.url;
  process.send?.({ url: url.origin });
  process.once("disconnect", () => {
    // dispose() ends workerd; it must not keep this process if it hangs.
    setTimeout(() => process.exit(1), 5_000).unref();
    const removed = request.removeAssets ? rm(request.assetsDir, { recursive: true, force: true }) : undefined;
    Promise.all([worker.dispose(), removed]).then(
      () => process.exit(0),
      () => process.exit(1),
    );
  });
}

// Only as the forked script: test runners that import this file are forked too.
if (process.send !== undefined && process.argv[1] === fileURLToPath(import.meta.url)) {
  process.once("disconnect", () => setTimeout(() => process.exit(1), 10_000).unref());
  process.once("message", (message) => {
    start(requestSchema.parse(message)).catch((error: unknown) => {
      process.send?.({ error: error instanceof Error ? error.message : String(error) });
    });
  });
}
