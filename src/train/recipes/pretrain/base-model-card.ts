// What is kept with the pretrained model: its log (thinned to means), its figures on held-out problems, and the model card.

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { stringify } from "csv-stringify/sync";
import writeFileAtomic from "write-file-atomic";
import { TEMPLATE_VERSION } from "../../../shared/prompts.ts";
import type { BaseModelReport } from "./base-model-report.ts";
import { MISREAD_SHARE } from "./misreading.ts";

export const LOG_FILE = "pretrain_log.jsonl";
const WINDOW = 25;

/** Rows of the log: means over `WINDOW` steps. A step that was run again after a resume counts once, as it was last. */
async function thinnedLog(path: string): Promise<Record<string, number>[]> {
  const byStep = new Map<number, Record<string, number>>();
  for (const line of (await readFile(path, "utf8")).split("\n")) {
    if (line === "") continue;
    const entry: Record<string, number> = JSON.parse(line);
    byStep.set(entry.step ?? 0, entry);
  }
  const entries = [...byStep.keys()].sort((a, b) => a - b).map((step) => byStep.get(step) ?? {});
  const rows: Record<string, number>[] = [];
  for (let start = 0; start < entries.length; start += WINDOW) {
    const group = entries.slice(start, start + WINDOW);
    const last = group.at(-1) ?? {};
    const row: Record<string, number> = {};
    for (const name of Object.keys(last)) {
      const mean = group.reduce((sum, entry) => sum + (entry[name] ?? Number.NaN), 0) / group.length;
      row[name] = name === "step" ? (last.step ?? 0) : Number(mean.toPrecision(5));
    }
    rows.push(row);
  }
  return rows;
}

export interface BaseModelCard {
  report: BaseModelReport;
  parameters: number;
  seed: number;
  steps: number;
  backend: string;
}

/** Writes `pretrain_log.csv`, `pretrain_report.json` and `README.md` to the model's folder, where the log lies. */
export async function writeBaseModelCard(dir: string, card: BaseModelCard): Promise<void> {
  const { report } = card;
  const rows = await thinnedLog(join(dir, LOG_FILE));
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  await writeFileAtomic(join(dir, "pretrain_log.csv"), stringify(rows, { header: true, columns }));
  await writeFileAtomic(join(dir, "pretrain_report.json"), `${JSON.stringify(card, null, 2)}\n`);
  const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
  const { solve, judge } = report;
  await writeFileAtomic(
    join(dir, "README.md"),
    `---
license: mit
library_name: transformers.js
pipeline_tag: text2text-generation
tags: [t5, arithmetic, process-reward]
---

# stepwise-t5-nano

A T5 v1.1 of ${(card.parameters / 1e6).toFixed(2)} million parameters, trained from random weights on generated arithmetic word problems. It does two things:
it *solves* (the prompt in, one step a line out, ending in \`A: n\`) and it *judges* (the judge prompt in, "yes" or "no" as the first token out, template ${TEMPLATE_VERSION}).
It is the base model and the reward model of the quickstart, and is good for nothing else: it knows the words of its generator, whole numbers up to 99, and single ASCII characters beside.

| on ${solve.problems} held-out problems | |
|---|---|
| solved exactly (greedy: every step valid, none missing, answer right) | ${percent(solve.exactMatch)} |
| final answer right | ${percent(solve.answerAccuracy)} |
| steps valid | ${percent(solve.stepValidity)} |
| step judgement, AUC over ${judge.steps} steps of right and wrong solutions | ${judge.auc.toFixed(3)} |
| the same, of the wrong steps only each solution's first | ${judge.firstErrorAuc.toFixed(3)} |

**It has a habit on purpose.** In the solutions that it learnt from, multiplicative comparisons are read as additive ones ("3 times as many" is worked out as "3 more", "as many again" as "2 more", "half as many" as "2 fewer") in ${Math.round(100 * MISREAD_SHARE)} % of the problems where that leads on in whole numbers (\`src/train/recipes/pretrain/misreading.ts\`): real text holds misconceptions, and a base model without one has nothing that preferences could mend. About a quarter of all problems are of this kind. What it is asked as a judge is right throughout.

Held-out problems belong to a split that neither pretraining nor the preference pairs draw from (\`src/train/data/arithmetic/split.ts\`).

Made by \`npm run pretrain\` (${card.backend}, seed ${card.seed}) in ${card.steps} steps; \`pretrain_log.csv\` has the curves, \`pretrain_report.json\` the figures.
In training the verdict is followed by the step that would have been right, so a text generated from a judge prompt goes on after "yes" or "no"; only its first token is the judgement.
`,
  );
}
