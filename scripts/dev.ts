// npm run dev: the worker in local workerd until Ctrl-C. A model that is not exported yet is exported first.
// Exit 1 when that fails or the port is taken.

import { resolve } from "node:path";
import { Command } from "commander";
import { chooseModels } from "../src/infer/default-models.ts";
import { startLocalWorker } from "../src/infer/local-worker.ts";
import { exportedModels } from "../src/train/onnx/export/exported-models.ts";
import { reportFailure, stopOnSignal } from "./cli.ts";
import { addModelFlags, type ModelFlags, portOption } from "./serve-flags.ts";

interface Flags extends ModelFlags {
  port: number;
  batch: boolean;
  batchDir: string;
}

const program = addModelFlags(new Command("npm run dev --"))
  .description("Run the worker on this machine, in the runtime that Cloudflare uses.")
  .addOption(portOption())
  .option("--batch", "also run batches (OpenAI's Files and Batch API)", false)
  .option("--batch-dir <dir>", "where batches keep files and state; they go on after a restart", "outputs/batches")
  .addHelpText(
    "after",
    "\nIt answers by the names of this machine alone. Behind a tunnel: ALLOWED_HOSTS=NAME npm run dev, or * for any name (docs/api.md).",
  )
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
    env: { ...(process.env.ALLOWED_HOSTS !== undefined && { ALLOWED_HOSTS: process.env.ALLOWED_HOSTS }) },
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
  stopOnSignal(() => worker.stop());
} catch (error) {
  reportFailure(error);
}
