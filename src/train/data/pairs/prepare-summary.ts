// What prepare-data prints: a few lines, with the first bad records by their place and how to mend them.

import { mendingLines } from "../mending.ts";
import type { PrepareReport } from "./prepare.ts";

const MAX_LISTED = 5;

/** The summary of a conversion written to the folder `output`. */
export function prepareSummary(report: PrepareReport, output: string): string {
  const formats = Object.entries(report.formats).filter(([, count]) => count > 0);
  const lines = [
    `read     ${report.records_read} records of ${report.input} (${formats.map(([name, count]) => `${name}: ${count}`).join(", ")})`,
    `train    ${report.train.pairs} pairs of ${report.train.prompts} prompts -> ${output}/train.jsonl`,
    `eval     ${report.eval.pairs} pairs of ${report.eval.prompts} prompts -> ${output}/eval.jsonl`,
  ];
  const unused = report.pairs_read - report.train.pairs - report.eval.pairs;
  if (unused > 0) lines.push(`unused   ${unused} pairs (--max-pairs ${report.max_pairs})`);
  const reasons = Object.entries(report.dropped);
  const total = reasons.reduce((sum, [, count]) => sum + count, 0);
  lines.push(
    `dropped  ${total}${total > 0 ? ` (${reasons.map(([reason, count]) => `${reason}: ${count}`).join(", ")})` : ""}`,
  );
  for (const { where, what } of report.dropped_records.slice(0, MAX_LISTED)) lines.push(`  ${where}: ${what}`);
  if (total > MAX_LISTED) lines.push(`  ... ${total - MAX_LISTED} more; see ${output}/report.json`);
  lines.push(...mendingLines(reasons.map(([reason]) => reason)));
  return lines.join("\n");
}
