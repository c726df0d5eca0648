// npm run serve: the worker's app on Node until Ctrl-C. A model that is not exported yet is exported first.
// Exit 1 when that fails or the port is taken.

import { Command } from "commander";
import { isLoopback } from "../src/edge/http/trusted-hosts.ts";
import { chooseModels } from "../src/infer/default-models.ts";
import { preparePages } from "../src/infer/edge-pages.ts";
import { startServer } from "../src/serve/serve.ts";
import { exportedModels } from "../src/train/onnx/export/exported-models.ts";
import { reportFailure, stopOnSignal } from "./cli.ts";
import { wholeNumber } from "./flags.ts";
import { addModelFlags, type ModelFlags, portOption } from "./serve-flags.ts";

interface Flags extends ModelFlags {
  host: string;
  port: number;
  threads?: number;
}

const program = addModelFlags(new Command("npm run serve --"))
  .description("Serve the same API from this machine: Node and onnxruntime-node on all cores, no Cloudflare.")
  .option("--host <address>", "address to listen on; 0.0.0.0 is every one", "127.0.0.1")
  .addOption(portOption("port"))
  .option("--threads <n>", "threads of a graph (default: all cores)", wholeNumber(1, 256))
  .addHelpText(
    "after",
    "\nVariables and secrets are those of wrangler.toml, from the environment: STEPWISE_API_KEY, STEPWISE_API_KEYS,\nMAX_WAITING, REQUESTS_PER_MINUTE, TOKENS_PER_MINUTE, CORS_ORIGIN, ALLOWED_HOSTS, ... (docs/api.md).",
  )
  .allowExcessArguments(false)
  .parse();
const { policy, reward, ...flags } = program.opts<Flags>();

try {
  const chosen = chooseModels({ policy, reward });
  console.log(`policy        ${chosen.policy}\nreward model  ${chosen.reward}`);
  const log = (line: string) => console.log(line);
  const models = await exportedModels({ ...chosen, dtype: flags.dtype }, log);
  const { host } = flags;
  const isPublic = !isLoopback(host);
  if (isPublic && process.env.STEPWISE_API_KEY === undefined && process.env.STEPWISE_API_KEYS === undefined)
    console.warn("warning: anyone who reaches this machine may use it. Set STEPWISE_API_KEY.");
  const server = await startServer({ ...models, ...flags, env: process.env, preparePages, log });
  console.log(`ready: ${server.url} (Ctrl-C stops it); playground: ${server.url}/; the API: ${server.url}/docs`);
  stopOnSignal(() => server.stop());
} catch (error) {
  reportFailure(error);
}
