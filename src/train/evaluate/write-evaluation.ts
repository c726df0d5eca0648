// The files of an evaluation: the result as JSON, and the report made from it.

import { join } from "node:path";
import { writeText } from "../io/write-text.ts";
import { REPORT_FILE, writeReport } from "./report/write.ts";
import { EVALUATION_FILE, type EvaluationResult } from "./result.ts";

/** Writes evaluation.json and report.html into `outputDir`; returns their paths. Throws CapacityError or InputError. */
export async function writeEvaluation(
  outputDir: string,
  result: EvaluationResult,
): Promise<{ json: string; report: string }> {
  const json = join(outputDir, EVALUATION_FILE);
  const report = join(outputDir, REPORT_FILE);
  await writeText(json, `${JSON.stringify(result, null, 1)}\n`);
  await writeReport(report, result);
  return { json, report };
}
