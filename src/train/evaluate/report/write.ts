// The report as a file: whole or not at all.

import { readJson } from "../../io/read-json.ts";
import { writeText } from "../../io/write-text.ts";
import { type EvaluationResult, parseEvaluationResult } from "../result.ts";
import { type ReportOptions, renderReport } from "./render.ts";

export const REPORT_FILE = "report.html";

/** Writes the report of `result` to `path`. Throws CapacityError for a full disk, InputError for a place that cannot be written. */
export async function writeReport(path: string, result: EvaluationResult, options: ReportOptions = {}): Promise<void> {
  await writeText(path, renderReport(result, options));
}

/** Makes the report of an evaluation.json that exists. Throws ArtifactError when that file is missing or not a result. */
export async function renderReportFile(jsonPath: string, htmlPath: string): Promise<void> {
  const json = await readJson(jsonPath, { fix: "Evaluate first: npm run evaluate -- --model DIR." });
  await writeReport(htmlPath, parseEvaluationResult(json, jsonPath));
}
