// The README.md of a model that was trained online.

import { join } from "node:path";
import { writeText } from "../../io/write-text.ts";
import type { TrainConfig } from "../dpo/config.ts";
import { settingsToJson } from "../run/settings.ts";
import { type OnlineSettings, onlineSettingsToJson } from "./settings.ts";
import type { RoundEntry } from "./state.ts";

const percent = (share: number | null): string => (share === null ? "–" : (100 * share).toFixed(1));

/** Writes `dir/README.md`. */
export async function writeOnlineCard(
  dir: string,
  run: { base: string; config: TrainConfig; settings: OnlineSettings; rounds: readonly RoundEntry[] },
): Promise<void> {
  const { base, config, settings, rounds } = run;
  const rows = rounds.map(
    (entry) =>
      `| ${entry.round} | ${entry.samples} | ${entry.tokens} | ${percent(entry.samples_right)} | ${percent(entry.problems_solved)} | ${entry.pairs} | ${entry.steps} | ${percent(entry.validation_exact)} |`,
  );
  await writeText(
    join(dir, "README.md"),
    `---
base_model: ${base}
library_name: transformers.js
pipeline_tag: text2text-generation
tags: [t5, online, process-reward, onnx]
---

# ${base}, trained online (${config.lossType} on ${settings.learnFrom})

Rounds of sampling with the current policy, scoring every step (${settings.scorer}), and an update from the samples.

| round | samples | tokens | right, % | problems with a right sample, % | pairs | steps | held-out problems after it, % |
|---|---|---|---|---|---|---|---|
${rows.join("\n")}

\`\`\`json
${JSON.stringify({ ...onlineSettingsToJson(settings), train: settingsToJson(config) }, null, 2)}
\`\`\`
`,
  );
}
