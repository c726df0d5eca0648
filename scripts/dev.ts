// npm run dev: the worker in local workerd until Ctrl-C. A model that is not exported yet is exported first.
// Exit 1 when that fails or the port is taken.

import { resolve } from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";
import { chooseModels } from "../src/infer/default-models.ts";
import { startLocalWorker } from "../src/infer/local-worker.ts";
import { DTYPES, type Dtype } from "../src/shared/onnx-names.ts";
import { exportedModels } from "../src/train/onnx/export/exported-models.ts";
import { reportFailure } from "./cli.ts";

interface Flags {
  policy?: string;
  reward?: string;
  port: number;
  dtype: Dtype;
  batch: boolean;
  batchDir: string;
}

const portNumber = (text: string): number => {
  const port = Number(text);
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    throw new InvalidArgumentError("Give a port from 1 to 65535.");
  return port;
};

const program = new Command("npm run dev --")
  .description("Run the worker on this machine, in the runtime that Cloudflare uses.")
  .option("--policy <dir>", "model that generates (default: the trained model, else the one that ships)")
  .option("--reward <dir>", "model that scores (default: the one that the policy was trained with)")
  .option("--port <number>", "port on 127.0.0.1", portNumber, 8787)
  .addOption(new Option("--dtype <type>", "weight type of the graphs").choices(DTYPES).default("int8"))
  .option("--batch", "also run batches (OpenAI's Files and Batch API)", false)
  .option("--batch-dir <dir>", "where batches keep files and state; they go on after a restart", "outputs/batches")
  .allowExcessArguments(false)
  .parse();
const { policy, reward, port, dtype, batch, batchDir } = program.opts<Flags>();

try {
  const chosen = chooseModels({ policy, reward });
  console.log(`policy        ${chosen.policy}\nreward model  ${chosen.reward}`);
  const say = (line: string) => console.log(line);
  const models = await exportedModels({ ...chosen, dtype }, say);
  console.log("starting ...");
  const worker = await startLocalWorker({
    ...models,
    port,
    dtype,
    watch: true,
    playground: true,
    ...(batch && { batchDir: resolve(batchDir) }),
    onLog: say,
  });
  const json = `-H 'content-type: application/json'`;
  console.log(`
ready: ${worker.url} (Ctrl-C stops it)

  playground   ${worker.url}/
  the API      ${worker.url}/docs

  curl ${worker.url}/info
  curl ${worker.url}/generate ${json} -d '{"prompt": "Tom has 3 apples and buys 4 more. How many apples does he have?"}'
  curl ${worker.url}/score ${json} -d '{"prompt": "Tom has 3 apples and buys 4 more.", "chosen": "3 + 4 = 7", "rejected": "3 + 4 = 8"}'
`);
  const stop = () => {
    worker.stop().then(
      () => process.exit(0),
      () => process.exit(1),
    );
  };
  process.once("SIGINT", stop);
  process.once("SIGTERM", stop);
} catch (error) {
  reportFailure(error);
}
