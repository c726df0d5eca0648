// Problems as a reader meets them: the text, and the solutions before and after side by side, every step with its score.

import type { EvaluationResult, SampleProblem, SampleSolution } from "../../result.ts";
import { type DistinctSolution, distinctSolutions } from "../distinct-solutions.ts";
import { formatCount } from "../format.ts";
import { type Html, html } from "../html.ts";
import { isComparison, type Missing, type Section } from "../section.ts";
import { type SampleStep, scoreLook, scoreText, stepLabel } from "../step-score.ts";

/** Problems shown in full; more of them would only make the page long. */
export const SAMPLES_SHOWN = 40;

export function sampleId(problem: number): string {
  return `sample-${problem + 1}`;
}

function stepItem(step: SampleStep, first: boolean): Html {
  const { tone, style } = scoreLook(step.score);
  const wrong = step.right === false;
  const why = step.reason ?? "wrong";
  return html`<li class="${wrong ? (first ? "wrong first" : "wrong") : ""}"><span class="score ${tone}" style="${style}" aria-label="${stepLabel(step)}">${scoreText(step.score)}</span><span class="text">${step.text}${wrong ? html` <em>✗ ${why}</em>` : undefined}</span></li>`;
}

function solutionBlock({ solution, writers }: DistinctSolution): Html {
  const first = solution.steps.findIndex((step) => step.right === false);
  const verdict = solution.exact ?? solution.answer_correct;
  const said =
    verdict === null
      ? undefined
      : html`<b class="${verdict ? "good" : "bad"}">${verdict ? "✓ solved" : "✗ not solved"}</b>`;
  const body =
    solution.steps.length === 0
      ? html`<p class="soft">Nothing was written.</p>`
      : html`<ol class="steps">${solution.steps.map((step, i) => stepItem(step, i === first))}</ol>`;
  return html`<div class="solution"><h4>${writers} ${said}</h4>${body}</div>`;
}

/** The greedy solutions stand side by side; where there are none, the first two of the others. */
function sampleBlock(sample: SampleProblem, problem: number, compared: boolean): Html {
  const alone = (solutions: readonly SampleSolution[]): DistinctSolution[] =>
    solutions.flatMap((solution) => distinctSolutions([solution], compared));
  const greedy = sample.solutions.filter(({ decoding }) => decoding === "greedy");
  const others = sample.solutions.filter(({ decoding }) => decoding !== "greedy");
  const distinct = distinctSolutions(others, compared);
  const sides = greedy.length > 0 ? alone(greedy) : distinct.slice(0, 2);
  const rest = distinct.filter(({ solution }) => sides.every((side) => side.solution.text !== solution.text));
  const scored = sample.solutions.some(({ text }) => text === sample.gold);
  const gold = sample.gold === null || scored ? undefined : html`<pre>${sample.gold}</pre>`;
  return html`<article class="sample" id="${sampleId(problem)}"><p class="prompt"><span>${problem + 1}</span>${sample.prompt}</p>
<div class="sides">${sides.map(solutionBlock)}</div>
${gold ? html`<details><summary>The solution that was looked for</summary>${gold}</details>` : undefined}
${rest.length > 0 ? html`<details><summary>${formatCount(rest.length)} more ${rest.length === 1 ? "solution" : "solutions"}</summary><div class="sides">${rest.map(solutionBlock)}</div></details>` : undefined}</article>`;
}

/** What opens the page that asks the models. */
function playgroundCommand({ models }: EvaluationResult): string {
  const flags = models.map(({ role, path }) => ` --${role} ${path.includes(" ") ? JSON.stringify(path) : path}`);
  return `npm run playground --${flags.join("")}`;
}

export function samplesSection(result: EvaluationResult): Section | Missing {
  const compared = isComparison(result);
  const shown = result.samples.slice(0, SAMPLES_SHOWN);
  if (shown.every((sample) => sample.solutions.length === 0))
    return { missing: "The result holds no sample problems." };
  const some = shown.length < result.samples.length ? ` ${shown.length} of ${result.samples.length} are shown.` : "";
  return {
    id: "samples",
    title: compared ? "Before and after, side by side" : "In its own words",
    body: html`<p>The number before a line is the reward model’s score of that step; a cross says what the check found.${some}</p>
<p>Ask ${compared ? "both" : "it"} yourself, and see the scores come step by step, in the playground:</p><pre>${playgroundCommand(result)}</pre>${shown.map((sample, i) => sampleBlock(sample, i, compared))}`,
  };
}
