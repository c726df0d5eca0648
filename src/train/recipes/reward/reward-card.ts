// The README.md of a trained process reward model: Hugging Face front matter, what it reads, how it was trained, its figures.

import { join } from "node:path";
import writeFileAtomic from "write-file-atomic";
import { TEMPLATE_VERSION } from "../../../shared/prompts.ts";
import { settingsToJson } from "../run/settings.ts";
import type { RewardConfig } from "./config.ts";
import type { RewardData } from "./reward-data.ts";

export interface RewardCard {
  config: RewardConfig;
  baseModel: string;
  backend: string;
  data: Pick<RewardData, "train" | "eval" | "steps" | "dropped">;
  before: Readonly<Record<string, number>>;
  after: Readonly<Record<string, number>>;
}

/** Writes `dir/README.md`. */
export async function writeRewardCard(dir: string, card: RewardCard): Promise<void> {
  const { config, data } = card;
  const figure = (value: number | undefined): string =>
    value === undefined ? "" : String(Number(value.toPrecision(5)));
  const rows = Object.keys(card.after).map(
    (name) => `| ${name} | ${figure(card.before[name])} | ${figure(card.after[name])} |\n`,
  );
  const table = rows.length === 0 ? "" : `\n| metric | before | after |\n|---|---|---|\n${rows.join("")}`;
  const text = `---
base_model: ${card.baseModel}
library_name: transformers.js
tags: [t5, process-reward-model, reward-model, stepwise-dpo, onnx]
---

# ${card.baseModel}, a process reward model

Scores every step of a solution in one pass: the question goes through the encoder, the solution (one step a line) through the
decoder, and P(yes) / (P(yes) + P(no)) is read at the token that ends a step: its newline, \`</s>\` for the last one.
Template: ${TEMPLATE_VERSION}. Backend: ${card.backend}.

Trained on ${data.train.length} solutions with ${data.steps.labelled} labelled steps, ${data.steps.right} of them right; ${data.steps.unlabelled} steps without a label
were read and not trained on. Evaluated on ${data.eval.length} solutions of other questions. Left out: ${JSON.stringify(data.dropped)}.
${table}
## Settings

\`\`\`json
${JSON.stringify(settingsToJson(config), null, 2)}
\`\`\`
`;
  await writeFileAtomic(join(dir, "README.md"), text);
}
