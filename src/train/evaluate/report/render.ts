// The report of an evaluation: one HTML string that needs no script, no other file and no network, made from the result alone.

import type { EvaluationResult } from "../result.ts";
import { restartChartIds } from "./chart.ts";
import { formatCount } from "./format.ts";
import { Html, html } from "./html.ts";
import { isComparison, type Missing, ofRole, type Section, type TrainingCurves } from "./section.ts";
import { bestOfNSection } from "./sections/best-of-n.ts";
import { firstWrongStepSection } from "./sections/first-wrong-step.ts";
import { headline, headlineSection } from "./sections/headline.ts";
import { heatMapSection } from "./sections/heat-map.ts";
import { judgeSection } from "./sections/judge.ts";
import { lengthSection } from "./sections/length.ts";
import { marginsSection } from "./sections/margins.ts";
import { provenanceSection } from "./sections/provenance.ts";
import { samplesSection } from "./sections/samples.ts";
import { trainingSection } from "./sections/training.ts";
import { STYLE } from "./style.ts";

export type { TrainingCurves } from "./section.ts";

/** The browser itself keeps the page from asking for anything. */
const POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:";

export interface ReportOptions {
  /** Training runs in place of those in the result, for instance one a seed. */
  training?: readonly TrainingCurves[];
}

/** Renders a valid result (parseEvaluationResult); parts that were not measured are named in one sentence each at the end. */
export function renderReport(result: EvaluationResult, options: ReportOptions = {}): string {
  restartChartIds();
  const parts: (Section | Missing)[] = [
    headlineSection(result),
    firstWrongStepSection(result),
    lengthSection(result),
    trainingSection(options.training ?? trainingOf(result)),
    marginsSection(result),
    bestOfNSection(result),
    judgeSection(result),
    heatMapSection(result),
    samplesSection(result),
  ];
  const missing = parts.flatMap((part) => ("missing" in part ? [part.missing] : []));
  const sections = [...parts.flatMap((part) => ("missing" in part ? [] : [part])), provenanceSection(result, missing)];
  const title = headline(result);
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<title>${title}</title>
<link rel="icon" href="data:,">
<style>${new Html(STYLE)}</style>
</head>
<body>
<header>
<p class="kicker">Stepwise DPO · evaluation</p>
<h1>${title}</h1>
<p class="standfirst">${standfirst(result)}</p>
<nav aria-label="Contents"><ul>${sections.map(({ id, title: name }) => html`<li><a href="#${id}">${name}</a></li>`)}</ul></nav>
</header>
<main>
${sections.map(({ id, title: name, body }) => html`<section id="${id}"><h2>${name}</h2>${body}</section>\n`)}</main>
<footer>Shares are percentages of problems, steps or pairs; differences between them are in percentage points.</footer>
</body>
</html>
`;
  return page.text;
}

function standfirst(result: EvaluationResult): string {
  const [model, baseline] = [ofRole(result.models, "model"), ofRole(result.models, "baseline")];
  const names = isComparison(result) ? `${model?.name} against ${baseline?.name}` : `${model?.name}`;
  const seeds = result.seeds.length > 1 ? `, with ${result.seeds.length} seeds` : "";
  const measured = [
    ...(result.data.problems > 0 ? [`${formatCount(result.data.problems)} problems`] : []),
    ...(result.data.pairs > 0 ? [`${formatCount(result.data.pairs)} pairs`] : []),
  ];
  const on = measured.length > 0 ? `, on ${measured.join(" and ")} of ` : ", on ";
  const source = result.data.source === "heldout" ? "the held-out word problems" : result.data.source;
  return `${names}${on}${source}${seeds}.`;
}

function trainingOf(result: EvaluationResult): TrainingCurves[] {
  return result.training.map(({ role, log_history }) => ({
    name: ofRole(result.models, role)?.name ?? role,
    logHistory: log_history,
  }));
}
