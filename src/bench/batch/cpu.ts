// CPU time of a record: what docs/scale.md reckons with.

import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { cpuSeconds, ownWorkerd } from "./own-workerd.ts";
import { hasEnded, linesOf, openStage, untilBatch } from "./stage.ts";

export interface CpuResult {
  records: number;
  /** Of a pair: an answer by the policy, two scores by the reward model. */
  cpu_ms_a_pair: number;
  /** Of an answer alone. */
  cpu_ms_an_answer: number;
  output_bytes_a_pair: number;
}

/** Runs pairs of a data file, and their prompts alone, as batches. */
export async function benchCpu(
  models: { modelDir: string; rewardDir: string },
  options: { data: string; records: number; maxNewTokens: number },
): Promise<CpuResult> {
  const { data, records, maxNewTokens } = options;
  const pairs = (await readFile(data, "utf8")).trimEnd().split("\n").slice(0, records);
  const prompts = pairs.map((line, index) => {
    const pair: unknown = JSON.parse(line);
    const inputs = typeof pair === "object" && pair !== null && "prompt" in pair ? pair.prompt : "";
    const body = { inputs, parameters: { max_new_tokens: maxNewTokens } };
    return JSON.stringify({ custom_id: `${index}`, method: "POST", url: "/generate", body });
  });
  const stage = await openStage(models);
  try {
    const pid = await ownWorkerd();
    const run = async (lines: readonly string[], endpoint: string) => {
      const file = await stage.client.upload(new Blob([`${lines.join("\n")}\n`]), "input.jsonl");
      const before = await cpuSeconds(pid);
      const body = { input_file_id: file, endpoint, completion_window: "24h", max_new_tokens: maxNewTokens };
      const { id } = await stage.client.create(body, randomUUID());
      const batch = await untilBatch(() => stage.client, id, hasEnded);
      const seconds = (await cpuSeconds(pid)) - before;
      const output = batch.output_file_id === null ? [] : await linesOf(stage.client, batch.output_file_id);
      const bytes = output.reduce((sum, line) => sum + JSON.stringify(line).length + 1, 0);
      return { ms: (1000 * seconds) / lines.length, bytes: bytes / lines.length };
    };
    // the first records also open the models
    await run(prompts.slice(0, 4), "/generate");
    const answers = await run(prompts, "/generate");
    const both = await run(pairs, "/infer");
    return {
      records: pairs.length,
      cpu_ms_a_pair: both.ms,
      cpu_ms_an_answer: answers.ms,
      output_bytes_a_pair: both.bytes,
    };
  } finally {
    await stage.close();
  }
}
