// What startLocalWorker and the worker's process tell each other over IPC.

import { z } from "zod";

/** What the parent asks for, once. */
export const requestSchema = z.object({
  configPath: z.string(),
  assetsDir: z.string(),
  /** Wrangler takes no asset above 25 MiB, not even here, and is slow with large ones: this process then hands the files over itself. */
  serveFiles: z.boolean(),
  /** What is served as assets: the models' own directory, or one with the pages alone. */
  pagesDir: z.string(),
  /** A file that need not exist; it keeps a developer's .dev.vars out. */
  envFile: z.string().optional(),
  port: z.number(),
  vars: z.record(z.string(), z.string()),
  watch: z.boolean(),
  /** Where batches keep their state; absent: there are none. */
  batchDir: z.string().optional(),
  /** Whether workerd's inspector listens. */
  inspect: z.boolean(),
  /** The worker's script, where it is not wrangler.toml's. */
  main: z.string().optional(),
  /** The assets directory is this worker's own: it goes when the worker goes. */
  removeAssets: z.boolean(),
});

export type StartRequest = z.infer<typeof requestSchema>;

/** What the process answers: ready, or why not. */
export const answerSchema = z.union([z.object({ url: z.string() }), z.object({ error: z.string() })]);
