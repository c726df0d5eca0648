// Files of the Hub as a folder of pairs below a run's output. The folder's name follows from the files and how they are read, so that a run
// that is refused changes nothing that an earlier one was trained on, and one that goes on converts nothing again.

import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { readOptions } from "../../data/formats/read-record.ts";
import { prepareData } from "../../data/pairs/prepare.ts";
import { prepareSummary } from "../../data/pairs/prepare-summary.ts";
import type { TrainConfig } from "./config.ts";

/** The config with `files`, which its data stand for, as pairs in OUTPUT/data. Throws what `prepareData` throws. */
export async function withConvertedData(
  config: TrainConfig,
  files: readonly string[],
  log: (line: string) => void,
): Promise<TrainConfig> {
  const reading = { ...readOptions(config), ...(config.split !== null && { split: config.split }) };
  const named = JSON.stringify([config.data, files, reading]);
  const name = createHash("sha256").update(named).digest("hex").slice(0, 12);
  const output = join(config.outputDir, "data", name);
  // prepareData writes its report last
  if (existsSync(join(output, "report.json"))) log(`pairs converted before: ${output}`);
  else {
    const report = await prepareData({ input: config.data, files, output, evalFraction: 0.1, seed: 42, ...reading });
    log(prepareSummary(report, output));
  }
  return { ...config, data: output, format: null, columns: null, split: null };
}
