// The README.md of a trained model: Hugging Face model-card front matter, how it was trained, and its figures.

import { join } from "node:path";
import writeFileAtomic from "write-file-atomic";
import { TEMPLATE_VERSION } from "../shared/prompts.ts";
import { type TrainConfig, trainConfigToJson } from "./run-config.ts";

export interface ModelCard {
  config: TrainConfig;
  baseModel: string;
  rewardModel: string;
  backend: string;
  pairs: { train: number; eval: number };
  /** Training pairs that the reward model scored; the others brought their scores. */
  judgedPairs: number;
  margins: { mean: number; zero: number; reversed: number };
  /** Name -> value, in order; may be empty. */
  results: Readonly<Record<string, number>>;
}

/** Writes `dir/README.md`. */
export async function writeModelCard(dir: string, card: ModelCard): Promise<void> {
  const { margins } = card;
  const rows = Object.entries(card.results).map(([name, value]) => `| ${name} | ${Number(value.toPrecision(5))} |\n`);
  const table = rows.length === 0 ? "" : `\n| metric | value |\n|---|---|\n${rows.join("")}`;
  const given = card.pairs.train - card.judgedPairs;
  const text = `---
base_model: ${card.baseModel}
library_name: transformers.js
pipeline_tag: text2text-generation
tags: [t5, dpo, stepwise-dpo, process-reward, onnx]
---

# ${card.baseModel}, tuned by stepwise DPO

Trained with stepwise direct preference optimization: a frozen reward model scored every step of every completion, the scores were
aggregated (${card.config.aggregation}), and the loss was \`-log sigmoid((r_c - r_r) * (log p_c - log p_r))\`.
Reward model: ${card.rewardModel}, for ${card.judgedPairs} of the training pairs${given > 0 ? `; ${given} brought their own scores` : ""}.
Prompt template: ${TEMPLATE_VERSION}. Backend: ${card.backend}.

Pairs: ${card.pairs.train} for training, ${card.pairs.eval} for evaluation. Score margins: mean ${margins.mean.toFixed(4)}, ${margins.zero} zero, ${margins.reversed} reversed.
${table}
## Settings

\`\`\`json
${JSON.stringify(trainConfigToJson(card.config), null, 2)}
\`\`\`
`;
  await writeFileAtomic(join(dir, "README.md"), text);
}
