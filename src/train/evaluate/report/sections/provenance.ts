// How the report was made, so that it can be made again: command, models and data by their hashes, seeds, and what was left out.

import type { EvaluationResult, PolicyMetrics } from "../../result.ts";
import { renderTitledTable } from "../figure.ts";
import { formatCount, formatPercent } from "../format.ts";
import { type Html, html } from "../html.ts";
import { isComparison, modelNames, type Section } from "../section.ts";

type Entry = readonly [term: string, text: Html | string];

function modelEntries(result: EvaluationResult): Entry[] {
  const compared = isComparison(result);
  return result.models.map((model): Entry => {
    const term = compared ? (model.role === "model" ? "Model, after" : "Model, before") : "Model";
    const text = html`${model.name}, ${formatCount(model.parameters)} parameters<br>${model.path}<br><code>sha256 ${model.sha256}</code>`;
    return [term, text];
  });
}

function dataEntries({ data }: EvaluationResult): Entry[] {
  const formats = Object.entries(data.formats).map(([format, records]) => `${formatCount(records)} ${format}`);
  const used = `${formatCount(data.problems)} problems, ${formatCount(data.pairs)} pairs, ${formatCount(data.labelled_solutions)} labelled solutions`;
  const { training_data, training_prompts, prompts } = data.overlap;
  const overlap =
    training_data.length === 0
      ? "No training data was known to compare with."
      : `${formatCount(prompts)} of the prompts are among the ${formatCount(training_prompts)} of ${training_data.join(", ")}.`;
  const dropped = Object.entries(data.dropped).filter(([, records]) => records > 0);
  return [
    ["Data", html`${data.source}: ${formats.join(", ")}; ${used}<br><code>sha256 ${data.sha256}</code>`],
    ["Overlap with training", overlap],
    ...(dropped.length === 0
      ? []
      : [["Records left out", html`${dropped.map(([reason, records]) => `${formatCount(records)} ${reason.replaceAll("_", " ")}`).join(", ")}<ul>${data.dropped_records.slice(0, 10).map(({ where, what }) => html`<li>${where}: ${what}</li>`)}</ul>`] satisfies Entry]), // biome-ignore format: one entry
  ];
}

function countsEntry({ policy }: EvaluationResult): Entry[] {
  const words = policy.map(({ role, counts, problems }) => {
    const lacks = `${counts.empty} empty, ${counts.no_steps} without steps, ${counts.no_answer} without an answer, ${counts.unfinished} cut at the longest length`;
    return html`<li>${policy.length > 1 ? (role === "model" ? "after: " : "before: ") : ""}${lacks}; of ${formatCount(problems)}</li>`;
  });
  return words.length === 0 ? [] : [["Counted as wrong for what they lack", html`<ul>${words}</ul>`]];
}

function seedTable(result: EvaluationResult): Html | undefined {
  const many = result.policy.filter((policy) => policy.by_seed.length > 1);
  if (many.length === 0) return undefined;
  const names = modelNames(result);
  const write = (share: number | null): string => (share === null ? "–" : formatPercent(share));
  const rows = many.flatMap((policy: PolicyMetrics) =>
    policy.by_seed.map((figures) => [
      `${figures.seed}`,
      policy.role === "model" ? names.after : (names.before ?? "baseline"),
      formatCount(figures.problems),
      write(figures.exact_match),
      write(figures.answer_accuracy),
      write(figures.step_validity),
    ]),
  );
  const columns = ["Seed", "Model", "Problems", "Solved exactly", "Answer right", "Steps valid"];
  return renderTitledTable({ columns, rows }, "Each seed by itself");
}

/** `missing`: one sentence for each section that is not in the report. */
export function provenanceSection(result: EvaluationResult, missing: readonly string[]): Section {
  const { bootstrap } = result;
  const problems = result.problems_per_seed === null ? "" : `, ${formatCount(result.problems_per_seed)} problems each`;
  const intervals = `${formatPercent(bootstrap.level, 0)}, percentile bootstrap with ${formatCount(bootstrap.resamples)} resamples, seed ${bootstrap.seed}; differences are paired`;
  const entries: Entry[] = [
    ...(result.command === null ? [] : [["Command", html`<pre>${result.command}</pre>`] satisfies Entry]),
    [
      "Made",
      `${result.created.replace("T", " ").replace(/(\.\d+)?Z$/, " UTC")}, in ${duration(result.seconds)}, backend ${result.backend}`,
    ],
    ...modelEntries(result),
    ["Reward model", result.reward_model ? html`${result.reward_model.name}<br>${result.reward_model.path}` : "none"],
    ...dataEntries(result),
    ["Seeds", `${result.seeds.join(", ") || "none"}${problems}`],
    ["Longest solution", `${formatCount(result.max_new_tokens)} tokens`],
    ["Intervals", intervals],
    ...countsEntry(result),
  ];
  const absent = [...missing, ...result.left_out.map(({ part, why }) => `${part}: ${why}.`)];
  return {
    id: "how",
    title: "How this was made",
    body: html`<dl>${entries.map(([term, text]) => html`<dt>${term}</dt><dd>${text}</dd>`)}</dl>
${seedTable(result)}${absent.length > 0 ? html`<h3 class="group">Not in this report</h3><ul class="absent">${absent.map((sentence) => html`<li>${sentence}</li>`)}</ul>` : undefined}`,
  };
}

/** 412 s -> `6 min 52 s`. */
function duration(seconds: number): string {
  const whole = Math.round(seconds);
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}
