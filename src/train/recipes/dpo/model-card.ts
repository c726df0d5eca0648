// The README.md of a trained model: Hugging Face model-card front matter, how it was trained, and its figures.

import { join } from "node:path";
import writeFileAtomic from "write-file-atomic";
import { TEMPLATE_VERSION } from "../../../shared/prompts.ts";
import { settingsToJson } from "../run/settings.ts";
import type { TrainConfig } from "./config.ts";

export interface ModelCard {
  config: TrainConfig;
  baseModel: string;
  /** undefined: the loss needs no scores. */
  rewardModel: string | undefined;
  backend: string;
  pairs: { train: number; eval: number };
  /** Training pairs that the reward model scored; the others brought their scores. */
  judgedPairs: number;
  /** undefined: the loss needs no scores. */
  margins: { mean: number; zero: number; reversed: number } | undefined;
  /** Name -> value, in order; may be empty. */
  results: Readonly<Record<string, number>>;
}

/** Writes `dir/README.md`. */
export async function writeModelCard(dir: string, card: ModelCard): Promise<void> {
  const { config, margins } = card;
  const rows = Object.entries(card.results).map(([name, value]) => `| ${name} | ${Number(value.toPrecision(5))} |\n`);
  const table = rows.length === 0 ? "" : `\n| metric | value |\n|---|---|\n${rows.join("")}`;
  const isStepwise = config.lossType === "stepwise";
  const shownMargins =
    margins === undefined
      ? ""
      : ` Score margins: mean ${margins.mean.toFixed(4)}, ${margins.zero} zero, ${margins.reversed} reversed.`;
  const text = `---
base_model: ${card.baseModel}
library_name: transformers.js
pipeline_tag: text2text-generation
tags: [t5, dpo, ${isStepwise ? "stepwise-dpo, process-reward, " : ""}onnx]
---

# ${card.baseModel}, tuned by ${isStepwise ? "stepwise DPO" : `preference optimization (${config.lossType})`}

${method(card)}
Prompt template: ${TEMPLATE_VERSION}. Backend: ${card.backend}.

Pairs: ${card.pairs.train} for training, ${card.pairs.eval} for evaluation.${shownMargins}
${table}
## Settings

\`\`\`json
${JSON.stringify(settingsToJson(config), null, 2)}
\`\`\`
`;
  await writeFileAtomic(join(dir, "README.md"), text);
}

/** How the model was trained, in sentences. */
function method({ config, rewardModel, judgedPairs, pairs }: ModelCard): string {
  const given = pairs.train - judgedPairs;
  const scored = `a frozen reward model scored every step of every completion, the scores were\naggregated (${config.aggregation})`;
  const judge = `Reward model: ${rewardModel}, for ${judgedPairs} of the training pairs${given > 0 ? `; ${given} brought their own scores` : ""}.`;
  if (config.lossType === "stepwise")
    return `Trained with stepwise direct preference optimization: ${scored}, and the loss was \`-log sigmoid((r_c - r_r) * (log p_c - log p_r))\`.\n${judge}`;
  const reference = config.referenceFree ? "without a reference model" : "with its own start as the frozen reference";
  const loss = `Trained on preference pairs with the loss \`${config.lossType}\`, ${reference}.`;
  return rewardModel === undefined
    ? loss
    : `${loss} The score margins' role: ${config.marginRole}; ${scored}.\n${judge}`;
}
