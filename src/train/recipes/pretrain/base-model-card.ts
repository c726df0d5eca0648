// What is kept with the pretrained model: its log (thinned to means), its figures on held-out problems, and the model card.

import { join } from "node:path";
import { stringify } from "csv-stringify/sync";
import writeFileAtomic from "write-file-atomic";
import { TEMPLATE_VERSION } from "../../../shared/prompts.ts";
import { type LogEntry, loadTrainerState } from "../../io/trainer-state.ts";
import { writeJson } from "../../io/write-text.ts";
import type { BaseModelReport } from "./base-model-report.ts";

const WINDOW = 25;

/** How far the training is, beside what it measures. */
const POSITIONS = ["step", "epoch", "num_tokens"];

/** Rows of the log: means over `WINDOW` steps, and how far the last of them is. */
function thinnedLog(entries: readonly LogEntry[]): Record<string, number>[] {
  const rows: Record<string, number>[] = [];
  for (let start = 0; start < entries.length; start += WINDOW) {
    const group = entries.slice(start, start + WINDOW);
    const row: Record<string, number> = {};
    for (const [name, last] of Object.entries(group.at(-1) ?? {})) {
      const mean = group.reduce((sum, entry) => sum + (entry[name] ?? Number.NaN), 0) / group.length;
      row[name] = POSITIONS.includes(name) ? (last ?? Number.NaN) : Number(mean.toPrecision(5));
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
  /** The model that it went on from; undefined: random weights. */
  from?: string | undefined;
  /** See `corpusSolution`. */
  misreadShare: number;
  backend: string;
}

export const CARD_FILE = "README.md";

/** What the card says of a corpus that misreads; nothing of one that does not. */
function habit(misreadShare: number): string {
  if (misreadShare === 0) return "";
  return `**It has a habit on purpose.** In the solutions that it learnt from, multiplicative comparisons are read as additive ones ("3 times as many" is worked out as "3 more", "as many again" as "2 more", "half as many" as "2 fewer") in ${Math.round(100 * misreadShare)} % of the problems where that leads on in whole numbers (\`src/train/recipes/pretrain/misreading.ts\`): real text holds misconceptions. About a quarter of all problems are of this kind. What it is asked as a judge is right throughout.

`;
}

/** Writes `pretrain_log.csv`, `pretrain_report.json` and `README.md` to the folder of a finished run. */
export async function writeBaseModelCard(dir: string, card: BaseModelCard): Promise<void> {
  const { report } = card;
  const rows = thinnedLog((await loadTrainerState(dir)).log_history);
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  await writeFileAtomic(join(dir, "pretrain_log.csv"), stringify(rows, { header: true, columns }));
  await writeJson(join(dir, "pretrain_report.json"), card);
  const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
  const { solve, judge } = report;
  await writeFileAtomic(
    join(dir, CARD_FILE),
    `---
license: mit
library_name: transformers.js
pipeline_tag: text2text-generation
tags: [t5, arithmetic, process-reward]
---

# stepwise-t5-nano

A T5 v1.1 of ${(card.parameters / 1e6).toFixed(2)} million parameters, trained on generated arithmetic word problems. It does two things:
it *solves* (the prompt in, one step a line out, ending in \`A: n\`) and it *judges* (the judge prompt in, "yes" or "no" as the first token out, template ${TEMPLATE_VERSION}).
It is the base model of the quickstart, and is good for nothing else: it knows the words of its generator, whole numbers up to 99, and single ASCII characters beside.

| on ${solve.problems} held-out problems | |
|---|---|
| solved exactly (greedy: every step valid, none missing, answer right) | ${percent(solve.exactMatch)} |
| final answer right | ${percent(solve.answerAccuracy)} |
| steps valid | ${percent(solve.stepValidity)} |
| step judgement, AUC over ${judge.steps} steps of right and wrong solutions | ${judge.auc.toFixed(3)} |
| the same, of the wrong steps only each solution's first | ${judge.firstErrorAuc.toFixed(3)} |

${habit(card.misreadShare)}Held-out problems belong to a split that neither pretraining nor the preference pairs draw from (\`src/train/data/arithmetic/split.ts\`).

Made by \`npm run pretrain\` (${card.backend}, seed ${card.seed}) in ${card.steps} steps from ${card.from ?? "random weights"}; \`pretrain_log.csv\` has the curves, \`pretrain_report.json\` the figures.
In training the verdict is followed by the step that would have been right, so a text generated from a judge prompt goes on after "yes" or "no"; only its first token is the judgement.
`,
  );
}
