// npm run playground: a trained model and its baseline side by side, in the browser, until Ctrl-C. A model that is not exported yet is
// exported first. Exit 1 when that fails or the port is taken.

import { spawn } from "node:child_process";
import { Command } from "commander";
import { BASE_MODEL, chooseModels } from "../src/infer/default-models.ts";
import { preparePages } from "../src/infer/edge-pages.ts";
import { startServer } from "../src/serve/serve.ts";
import type { Dtype } from "../src/shared/onnx-names.ts";
import { exportedModels } from "../src/train/onnx/export/exported-models.ts";
import { reportFailure, stopOnSignal } from "./cli.ts";
import { dtypeOption, portOption } from "./serve-flags.ts";

interface Flags {
  model?: string;
  baseline: string;
  reward?: string;
  port: number;
  dtype: Dtype;
  open: boolean;
}

const program = new Command("npm run playground --")
  .description("Open a model and its baseline side by side in the browser, served by this machine.")
  .option("--model <dir>", "the tuned model (default: the trained model, else the one that ships)")
  .option("--baseline <dir>", "what it is compared with", BASE_MODEL)
  .option("--reward <dir>", "model that scores both (default: the one that the model was trained with)")
  .addOption(portOption())
  .addOption(dtypeOption())
  .option("--open", "also open the system's browser", false)
  .allowExcessArguments(false)
  .parse();
const { model, baseline, reward, port, dtype, open } = program.opts<Flags>();

try {
  const chosen = chooseModels({ policy: model, reward });
  console.log(`model         ${chosen.policy}\nbaseline      ${baseline}\nreward model  ${chosen.reward}`);
  const say = (line: string) => console.log(line);
  const { policyDir, rewardDir } = await exportedModels({ ...chosen, dtype }, say);
  const { policyDir: baselineDir } = await exportedModels({ policy: baseline, reward: chosen.reward, dtype }, say);
  const server = await startServer({
    ...{ policyDir, rewardDir, baselineDir, dtype, port },
    host: "127.0.0.1",
    env: process.env,
    preparePages,
    log: () => undefined,
  });
  const url = `${server.url}/#compare`;
  console.log(`ready: ${url} (Ctrl-C stops it)`);
  if (open) openInBrowser(url);
  stopOnSignal(() => server.stop());
} catch (error) {
  reportFailure(error);
}

/** Asks the system; where it has no browser, the printed address is enough. */
function openInBrowser(url: string): void {
  const command = process.platform === "darwin" ? "open" : process.platform === "win32" ? "explorer" : "xdg-open";
  spawn(command, [url], { stdio: "ignore", detached: true })
    .on("error", () => console.log("no browser could be opened: use the address"))
    .unref();
}
