// The process that runs one local worker: wrangler's bundler and real workerd, told what to do by its parent over IPC.
// It ends when the parent lets go of it, however the parent ended.

import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { unstable_startWorker } from "wrangler";
import { BATCH_BINDINGS, BATCH_MIGRATIONS } from "./batch-bindings.ts";
import { requestSchema, type StartRequest } from "./local-worker-protocol.ts";

async function start(request: StartRequest): Promise<Awaited<ReturnType<typeof unstable_startWorker>>> {
  const worker = await unstable_startWorker({
    config: request.configPath,
    ...(request.main !== undefined && { entrypoint: request.main }),
    assets: request.pagesDir,
    ...(request.envFile !== undefined && { envFiles: [request.envFile] }),
    bindings: {
      ...Object.fromEntries(
        Object.entries(request.vars).map(([name, value]) => [name, { type: "plain_text" as const, value }]),
      ),
      ...(request.batchDir !== undefined && BATCH_BINDINGS),
      ...(request.serveFiles && { MODEL_FILES: { type: "fetcher" as const, fetcher: fileServer(request.assetsDir) } }),
    },
    ...(request.batchDir !== undefined && { migrations: [...BATCH_MIGRATIONS] }),
    sendMetrics: false,
    dev: {
      server: { hostname: "127.0.0.1", port: request.port },
      inspector: request.inspect ? { port: 0 } : false,
      persist: request.batchDir ?? false,
      watch: request.watch,
      logLevel: "log",
    },
  });
  // A bundle that fails is printed; without this the requests to the worker would wait forever. While developing it may be mended.
  if (!request.watch) worker.raw.on("error", () => setTimeout(() => process.exit(1), 100));
  await worker.ready;
  const url = await worker.url;
  process.send?.({ url: url.origin });
  return worker;
}

/** Answers a GET with the file of that path. */
function fileServer(folder: string) {
  return async ({ url }: { url: string }) => {
    try {
      return new Response(await readFile(join(folder, new URL(url).pathname)));
    } catch {
      return new Response(null, { status: 404 });
    }
  };
}

/** Ends workerd, removes what is this worker's own, and ends this process, even when one of these hangs. */
async function finish(request: StartRequest, starting: ReturnType<typeof start>): Promise<void> {
  setTimeout(() => process.exit(1), 5_000);
  if (request.removeAssets) await rm(request.assetsDir, { recursive: true, force: true });
  await (await starting).dispose();
  process.exit(0);
}

process.once("message", (message) => {
  const request = requestSchema.parse(message);
  const starting = start(request);
  process.once("disconnect", () => {
    finish(request, starting).catch(() => process.exit(1));
  });
  starting.catch((error: unknown) => {
    process.send?.({ error: error instanceof Error ? error.message : String(error) });
  });
});
