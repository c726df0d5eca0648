// The heat-map of step scores: a row a solution, a column a step. It is a table, so that it is its own text alternative.

import type { EvaluationResult } from "../../result.ts";
import { type DistinctSolution, distinctSolutions } from "../distinct-solutions.ts";
import { type Html, html } from "../html.ts";
import { isComparison, type Missing, type Section } from "../section.ts";
import { type SampleStep, scoreLook, scoreText, stepLabel } from "../step-score.ts";
import { SAMPLES_SHOWN, sampleId } from "./samples.ts";

const MOST_STEPS = 12;
const MOST_ROWS = 80;

interface Row extends DistinctSolution {
  problem: number;
}

function cell(step: SampleStep | undefined, first: boolean): Html {
  if (step === undefined) return html`<td class="blank"></td>`;
  const { tone, style } = scoreLook(step.score);
  const mark = step.right === false ? (first ? " wrong first" : " wrong") : "";
  return html`<td class="${`${tone}${mark}`}" style="${style}" title="${step.text}" aria-label="${stepLabel(step)}">${scoreText(step.score)}</td>`;
}

function rowOf({ problem, solution, writers, short }: Row, columns: number): Html {
  const firstWrong = solution.steps.findIndex((step) => step.right === false);
  const verdict = solution.exact === null ? "" : solution.exact ? "✓" : "✗";
  const said = solution.exact === null ? "not checked" : solution.exact ? "solved" : "not solved";
  const head =
    problem < SAMPLES_SHOWN ? html`<a href="#${sampleId(problem)}">${problem + 1}</a>` : html`${problem + 1}`;
  const cells = Array.from({ length: columns }, (_, i) => cell(solution.steps[i], i === firstWrong));
  return html`<tr><th scope="row">${head} <span title="${writers}">${short}</span></th><td class="verdict" aria-label="${said}">${verdict}</td>${cells}</tr>`;
}

export function heatMapSection(result: EvaluationResult): Section | Missing {
  const rows = result.samples
    .flatMap(({ solutions }, problem) =>
      distinctSolutions(solutions, isComparison(result)).map((distinct): Row => ({ problem, ...distinct })),
    )
    .filter(({ solution }) => solution.steps.some((step) => step.score !== null))
    .slice(0, MOST_ROWS);
  if (rows.length === 0) return { missing: "No sample solution has step scores, so there is no heat-map." };
  const problems = [...new Set(rows.map(({ problem }) => problem))].map((each) =>
    rows.filter(({ problem }) => problem === each),
  );
  const longest = Math.max(...rows.map(({ solution }) => solution.steps.length));
  const columns = Math.min(longest, MOST_STEPS);
  const cut = longest > columns ? ` Steps beyond the ${columns}th are not drawn.` : "";
  const heads = Array.from({ length: columns }, (_, i) => html`<th scope="col">${i + 1}</th>`);
  const caption = "Score of every step of the sample solutions";
  return {
    id: "heat-map",
    title: "Step by step",
    body: html`<p>Each row is a solution, with who wrote it and how many samples wrote the same, each column a step, each number the reward model’s score. A framed cell is a step that is known to be wrong, the heavy frame the first of them. Where scores and frames agree, the reward model has found the mistake.${cut}</p>
<ul class="key"><li><i class="ramp"></i>0 wrong … 1 right</li><li><i class="frame"></i>wrong by the check</li></ul>
<div class="scroll" tabindex="0" role="region" aria-label="${caption}"><table class="heat"><caption>${caption}</caption><thead><tr><th scope="col">Problem</th><th scope="col"><span class="hidden">Solved</span></th>${heads}</tr></thead>
${problems.map((own) => html`<tbody>${own.map((row) => rowOf(row, columns))}</tbody>`)}</table></div>`,
  };
}
