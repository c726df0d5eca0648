// The worker, and the engine alone in the same isolate: POST /bench/bare answers the requests of an input file by the same functions, as
// many at a time as a batch, without HTTP, workflows, bucket or ledger. Only measurements start it.

import { parseLine } from "../../edge/batch/input-line.ts";
import type { Env } from "../../edge/env.ts";
import { newCall } from "../../edge/http/call.ts";
import { isolateOf } from "../../edge/isolate.ts";
import { generateResult, generateSchema } from "../../edge/routes/generate.ts";
import worker from "../../edge/worker.ts";

export { BatchJob, BatchLedger, BatchShard } from "../../edge/worker.ts";

const AT_ONCE = 16;

export default {
  async fetch(request: Request, env: Env, context: Parameters<typeof worker.fetch>[2]): Promise<Response> {
    if (new URL(request.url).pathname !== "/bench/bare") return worker.fetch(request, env, context);
    const lines = (await request.text()).trimEnd().split("\n");
    const { batchDeps: deps } = isolateOf(env);
    await deps.engine.load();
    const start = Date.now();
    const rest = lines.entries();
    let tokens = 0;
    const runRest = async (): Promise<void> => {
      for (const [index, line] of rest) {
        const parsed = parseLine(new TextEncoder().encode(line));
        if (parsed === undefined || "fault" in parsed) throw new TypeError("a line of the measurement is wrong");
        const body = generateSchema.parse(parsed.line.body);
        const { usage } = await generateResult(deps, body, newCall(`bare-${index}`, "bench"));
        tokens += usage.total_tokens;
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, runRest));
    return Response.json({ records: lines.length, tokens, ms: Date.now() - start });
  },
};
