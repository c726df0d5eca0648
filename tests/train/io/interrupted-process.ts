// A command that has a temporary folder and works until it is interrupted; it never ends by itself.

import { endOnInterrupt, stopOnInterrupt } from "../../../scripts/cli.ts";
import { makeTemporaryFolder } from "../../../src/train/io/temporary-folder.ts";

const { dir } = await makeTemporaryFolder("stepwise-test-");
if (process.argv[2] === "saves") stopOnInterrupt();
else endOnInterrupt();
console.log(dir);
setInterval(() => {}, 1_000);
