// npm run playground:build: the playground with its models as files for any static host; the models run in the visitor's browser.
// Exit 1 when a model is unfit or a file cannot be written.

import { Command } from "commander";
import { chooseModels } from "../src/infer/default-models.ts";
import { buildSite } from "../src/infer/playground/build-site.ts";
import { exportedModels } from "../src/train/onnx/export/exported-models.ts";
import { reportFailure } from "./cli.ts";
import { addModelFlags, type ModelFlags } from "./serve-flags.ts";

interface Flags extends ModelFlags {
  output: string;
}

const program = addModelFlags(new Command("npm run playground:build --"))
  .description("Write the playground and its models as a static site that needs no worker.")
  .option("--output <dir>", "folder of the site; what is in it is replaced", "outputs/playground")
  .allowExcessArguments(false)
  .parse();
const { policy, reward, dtype, output } = program.opts<Flags>();

try {
  const models = await exportedModels({ ...chooseModels({ policy, reward }), dtype }, (line) => console.log(line));
  const { files, bytes } = await buildSite({ ...models, dtype, outputDir: output });
  console.log(`${output}: ${files} files, ${(bytes / 1e6).toFixed(1)} MB. Put the folder on any static host.`);
} catch (error) {
  reportFailure(error);
}
