// npm run playground: a trained model and its baseline side by side, in the browser, until Ctrl-C. A model that is not exported yet is
// exported first. Exit 1 when that fails or the port is taken.

import { spawn } from "node:child_process";
import { Command, InvalidArgumentError, Option } from "commander";
import { BASE_MODEL, chooseModels } from "../src/infer/default-models.ts";
import { prepareEdgePages, preparePlayground } from "../src/infer/edge-pages.ts";
import { startServer } from "../src/serve/serve.ts";
import { DTYPES, type Dtype } from "../src/shared/onnx-names.ts";
import { exportedModels } from "../src/train/onnx/export/exported-models.ts";
import { reportFailure } from "./cli.ts";

interface Flags {
  model?: string;
  baseline: string;
  reward?: string;
  port: number;
  dtype: Dtype;
  open: boolean;
}

const portNumber = (text: string): number => {
  const port = Number(text);
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    throw new InvalidArgumentError("Give a port from 1 to 65535.");
  return port;
};

const program = new Command("npm run playground --")
  .description("Open a model and its baseline side by side in the browser, served by this machine.")
  .option("--model <dir>", "the tuned model (default: the trained model, else the one that ships)")
  .option("--baseline <dir>", "what it is compared with", BASE_MODEL)
  .option("--reward <dir>", "model that scores both (default: the one that the model was trained with)")
  .option("--port <number>", "port on 127.0.0.1", portNumber, 8787)
  .addOption(new Option("--dtype <type>", "weight type of the graphs").choices(DTYPES).default("int8"))
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
    async preparePages(dir) {
      await prepareEdgePages(dir);
      await preparePlayground(dir);
    },
    log: () => undefined,
  });
  const url = `${server.url}/#compare`;
  console.log(`ready: ${url} (Ctrl-C stops it)`);
  if (open) openInBrowser(url);
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

/** Asks the system; where it has no browser, the printed address is enough. */
function openInBrowser(url: string): void {
  const command = process.platform === "darwin" ? "open" : process.platform === "win32" ? "explorer" : "xdg-open";
  spawn(command, [url], { stdio: "ignore", detached: true })
    .on("error", () => console.log("no browser could be opened: use the address"))
    .unref();
}
