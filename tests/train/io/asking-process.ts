// A parent for tests: starts a child, prints its process id, and waits to be killed.

import { startChild } from "../../../src/train/io/child-process.ts";
import type { Asked } from "./answering-process.ts";

const child = startChild<Asked, Float64Array>(new URL("./answering-process.ts", import.meta.url), {
  name: "test process",
  code: "ended",
  fix: "Try again.",
});
const [pid] = await child.ask({ add: [] });
console.log(pid);
await child.ask({ wait: 60_000 });
