// npm run serve: the worker's app on Node until Ctrl-C. A model that is not exported yet is exported first.
// Exit 1 when that fails or the port is taken.

import { Command, InvalidArgumentError, Option } from "commander";
import { chooseModels } from "../src/infer/default-models.ts";
import { prepareEdgePages, preparePlayground } from "../src/infer/edge-pages.ts";
import { isLoopback, startServer } from "../src/serve/serve.ts";
import { DTYPES, type Dtype } from "../src/shared/onnx-names.ts";
import { exportedModels } from "../src/train/onnx/export/exported-models.ts";
import { reportFailure } from "./cli.ts";
import { wholeNumber } from "./flags.ts";

interface Flags {
  policy?: string;
  reward?: string;
  host: string;
  port: number;
  dtype: Dtype;
  threads?: number;
}

const portNumber = (text: string): number => {
  const port = Number(text);
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    throw new InvalidArgumentError("Give a port from 1 to 65535.");
  return port;
};

const program = new Command("npm run serve --")
  .description("Serve the same API from this machine: Node and onnxruntime-node on all cores, no Cloudflare.")
  .option("--policy <dir>", "model that generates (default: the trained model, else the one that ships)")
  .option("--reward <dir>", "model that scores (default: the one that the policy was trained with)")
  .option("--host <address>", "address to listen on; 0.0.0.0 is every one", "127.0.0.1")
  .option("--port <number>", "port", portNumber, 8787)
  .addOption(new Option("--dtype <type>", "weight type of the graphs").choices(DTYPES).default("int8"))
  .option("--threads <n>", "threads of a graph (default: all cores)", wholeNumber(1, 256))
  .addHelpText(
    "after",
    "\nVariables and secrets are those of wrangler.toml, from the environment: STEPWISE_API_KEY, STEPWISE_API_KEYS,\nMAX_WAITING, REQUESTS_PER_MINUTE, TOKENS_PER_MINUTE, CORS_ORIGIN, ... (docs/api.md).",
  )
  .allowExcessArguments(false)
  .parse();
const { policy, reward, ...flags } = program.opts<Flags>();

const preparePages = async (dir: string): Promise<void> => {
  await prepareEdgePages(dir);
  await preparePlayground(dir);
};

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
  const stop = () => {
    server.stop().then(
      () => process.exit(0),
      () => process.exit(1),
    );
  };
  process.once("SIGINT", stop);
  process.once("SIGTERM", stop);
} catch (error) {
  reportFailure(error);
}
