// npm run deploy: the worker with its models to Cloudflare. A model that is not exported yet is exported first.
// Exit 1 when that fails, a limit is met or wrangler fails.

import { Command } from "commander";
import { chooseModels } from "../src/infer/default-models.ts";
import { deployWorker, destroyWorker } from "../src/infer/deploy-worker.ts";
import { exportedModels } from "../src/train/onnx/export/exported-models.ts";
import { endOnInterrupt, reportFailure } from "./cli.ts";
import { addModelFlags, type ModelFlags } from "./serve-flags.ts";

interface Flags extends ModelFlags {
  dryRun: boolean;
  batch: boolean;
  destroy: boolean;
}

const program = addModelFlags(new Command("npm run deploy --"))
  .description("Put the worker and its models online with wrangler (an account with the Workers Paid plan).")
  .option("--dry-run", "bundle and check, upload nothing; needs no account", false)
  .option("--batch", "with batches: makes their bucket, ledger, workflows and a key where they are missing", false)
  .option("--destroy", "take the worker and what was made for it down; with --dry-run: tell what that would be", false)
  .allowExcessArguments(false)
  .parse();
const { policy, reward, dtype, dryRun, batch, destroy } = program.opts<Flags>();

endOnInterrupt();
try {
  const say = (line: string) => console.log(line);
  if (destroy) {
    await destroyWorker({ dryRun, say });
    process.exit(0);
  }
  const models = await exportedModels({ ...chooseModels({ policy, reward }), dtype }, say);
  await deployWorker({ ...models, dtype, dryRun, batch, say });
  console.log(dryRun ? "dry run: ready to deploy, nothing was uploaded" : "deployed");
} catch (error) {
  reportFailure(error);
}
