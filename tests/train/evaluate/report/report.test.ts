// The report as a document: what is there, what is left out, and that no text of the data becomes markup.

import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { renderReport } from "../../../../src/train/evaluate/report/render.ts";
import { renderReportFile, writeReport } from "../../../../src/train/evaluate/report/write.ts";
import { type EvaluationResult, parseEvaluationResult } from "../../../../src/train/evaluate/result.ts";
import { emptyFixture, evaluationFixture, HOSTILE } from "./fixture.ts";

const whole = renderReport(evaluationFixture());
const sections = (page: string): string[] => [...page.matchAll(/<section id="([^"]+)"/g)].map(([, id]) => id ?? "");
const ALL = [
  "headline",
  "first-wrong-step",
  "length",
  "training",
  "margins",
  "best-of-n",
  "judge",
  "heat-map",
  "samples",
  "how",
];

/** What of the page matches, so that a failure shows that and not the page. */
const found = (page: string, pattern: RegExp): string[] =>
  [...page.matchAll(new RegExp(pattern, "gi"))].map(([text]) => text);

/** The tags alone, the values of their attributes left out. */
const markup = (page: string): string =>
  found(page, /<[^>]*>/)
    .join("")
    .replace(/"[^"]*"/g, '""');

/** Text as a reader sees it. */
function plain(page: string): string {
  return page
    .replace(/<style>[\s\S]*?<\/style>/, "")
    .replace(/<[^>]*>/g, " ")
    .replace(/\s+/g, " ");
}

test("the fixtures are results by the schema", () => {
  expect(() => parseEvaluationResult(evaluationFixture())).not.toThrow();
  expect(() => parseEvaluationResult(emptyFixture())).not.toThrow();
});

test("a whole result has every section, in order, and a link to each", () => {
  expect(sections(whole)).toEqual(ALL);
  expect(found(whole, /<a href="#[a-z-]+">/).filter((link) => !link.includes("sample-"))).toEqual(
    ALL.map((id) => `<a href="#${id}">`),
  );
});

test("the headline says before and after, and admits where there is no clear change", () => {
  expect(found(whole, /<h1>.*?<\/h1>/)).toEqual(["<h1>Solves 62.4% of the problems, up from 48.1%</h1>"]);
  const result = evaluationFixture();
  const [row] = result.comparison;
  if (row) row.difference = { value: 0.143, low: -0.01, high: 0.29 };
  const title = "<h1>Solves 62.4% of the problems, no clear change from 48.1%</h1>";
  expect(found(renderReport(result), /<h1>.*?<\/h1>/)).toEqual([title]);
});

test("figures stand with their difference and its interval", () => {
  const text = plain(whole);
  expect(text).toContain("Solved exactly 62.4% +14.3 points from 48.1% 95% interval +12.6 to +16.0: excludes zero");
  expect(text).toContain("Steps a solution 4.04 4.12 +0.08 −0.02 to +0.18 no clear change");
  expect(text).toContain("Lines repeated 1.4% 1.1% −0.3 points −0.6 to −0.1 better");
});

test("nothing measured: every section is left out with one sentence, and how it was made stays", () => {
  const page = renderReport(emptyFixture());
  expect(sections(page)).toEqual(["how"]);
  const absent = /<ul class="absent">(.*?)<\/ul>/s.exec(page)?.[1] ?? "";
  const sentences = [...absent.matchAll(/<li>(.*?)<\/li>/g)].map(([, text]) => text ?? "");
  expect(sentences).toHaveLength(ALL.length - 1);
  for (const sentence of sentences) expect(sentence).toMatch(/^[A-Z][^.]*\.$/);
});

const absences: [id: string, without: Partial<EvaluationResult>][] = [
  ["training", { training: [] }],
  ["margins", { preference: [], pair_scores: null }],
  ["best-of-n", { best_of_n: [] }],
  ["judge", { judge: [] }],
  ["length", { policy: [] }],
];
test.each(absences)("a result without it leaves out the section %s alone", (id, without) => {
  const left = sections(renderReport({ ...evaluationFixture(), ...without }));
  expect(left).not.toContain(id);
  const also = id === "length" ? ["first-wrong-step"] : [];
  expect(left).toEqual(ALL.filter((each) => each !== id && !also.includes(each)));
});

test("one model alone is shown without before and after", () => {
  const result = evaluationFixture();
  const alone = <T extends { role: string }>(entries: T[]): T[] => entries.filter(({ role }) => role === "model");
  const page = renderReport({
    ...result,
    models: alone(result.models),
    policy: alone(result.policy),
    preference: alone(result.preference),
    best_of_n: alone(result.best_of_n),
    comparison: [],
  });
  expect(sections(page)).toEqual(ALL);
  expect(plain(page)).toContain("Solved exactly 62.4% 95% interval 60.6% to 64.2%");
  expect(found(page, /after \(/)).toEqual([]);
});

test("text of the data is escaped wherever it stands", () => {
  expect(found(markup(whole), /<(script|img)|onerror/)).toEqual([]);
  const escaped = HOSTILE.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  const safe = escaped.replaceAll('"', "&quot;").replaceAll("'", "&#39;");
  // prompt, step, its cell's title, command, dropped record
  expect(whole.split(safe).length - 1).toBe(5);
});

test("names of models and files cannot break out either", () => {
  const result = evaluationFixture();
  const log = result.training[0]?.log_history ?? [];
  for (const model of result.models) model.name = HOSTILE;
  result.data.source = HOSTILE;
  if (result.reward_model) result.reward_model.name = HOSTILE;
  for (const each of result.best_of_n) each.scorer = HOSTILE;
  const page = renderReport(result, { training: [1, 2].map(() => ({ name: HOSTILE, logHistory: log })) });
  expect(found(markup(page), /<(script|img)|onerror/)).toEqual([]);
});

test("the page names no other file and no address", () => {
  expect(found(whole, /https?:|[^<]\/\/[a-z]/)).toEqual([]);
  expect(found(markup(whole), /\b(src|srcset|action|xlink:href)=/)).toEqual([]);
  expect(found(whole, /\bhref="(?!#|data:,")[^"]*"/)).toEqual([]);
  expect(found(whole, /@import|url\((?!#chart)/)).toEqual([]);
  expect(found(whole, /http-equiv="Content-Security-Policy" content="default-src &#39;none&#39;;/)).toHaveLength(1);
});

test("every chart has a title, a text alternative and a table", () => {
  const figures = whole.match(/<figure[\s\S]*?<\/figure>/g) ?? [];
  expect(figures.length).toBeGreaterThan(14);
  for (const figure of figures) {
    expect(figure).toMatch(/<h3>[^<]+<\/h3>/);
    expect(figure).toMatch(/<svg role="img" aria-label="[^"]{20,}"/);
    expect(figure).toMatch(/<details><summary>The numbers<\/summary>[\s\S]*<table><caption>[\s\S]*<td>/);
  }
});

test("no picture has a place that is not a number", () => {
  for (const svg of whole.match(/<svg[\s\S]*?<\/svg>/g) ?? [])
    expect(found(svg, /\b(NaN|Infinity|undefined)\b/)).toEqual([]);
});

test("ids are unique, and every link in the page leads somewhere", () => {
  const ids = [...whole.matchAll(/\bid="([^"]+)"/g)].map(([, id]) => id);
  expect(new Set(ids).size).toBe(ids.length);
  for (const [, target] of whole.matchAll(/(?:href="|url\()#([^")]+)/g)) expect(ids).toContain(target);
});

test("the wrong steps are marked in the heat-map, the first of each solution heavily", () => {
  const heat = /<section id="heat-map">[\s\S]*?<\/section>/.exec(whole)?.[0] ?? "";
  const [, ...rows] = heat.match(/<tr>.*?<\/tr>/g) ?? [];
  expect(rows).toHaveLength(16);
  // 1 before: right, first wrong, wrong, wrong, and one step less than the longest
  expect(rows[0]?.match(/<td class="(hi|lo|none|blank)[^"]*"/g)).toEqual(
    ["hi", "lo wrong first", "lo wrong", "lo wrong", "blank"].map((name) => `<td class="${name}"`),
  );
  expect(rows[0]).toContain('aria-label="scored 11%, wrong"');
});

test("the same result gives the same bytes", () => {
  expect(renderReport(evaluationFixture()) === whole).toBe(true);
});

test("hostile numbers do not break a chart: empty histograms, one bin, one point, all nulls", () => {
  const result = evaluationFixture();
  for (const each of result.preference) each.margin_histogram = { edges: [], counts: [] };
  if (result.pair_scores) result.pair_scores.histogram = { edges: [0, 0], counts: [3] };
  for (const each of result.best_of_n) for (const curve of each.curves) curve.points = curve.points.slice(0, 1);
  for (const each of result.judge)
    each.reliability = each.reliability.map((bin) => ({ ...bin, count: 0, mean_score: null, share_right: null }));
  for (const each of result.policy) each.first_wrong_step = { counts: [], none: 0, empty: 0 };
  const page = renderReport(result, {
    training: [{ name: "a", logHistory: [1, 2].map((step) => ({ step, loss: null })) }],
  });
  expect(found(found(page, /<svg[\s\S]*?<\/svg>/).join(""), /\b(NaN|Infinity|undefined)\b/)).toEqual([]);
});

test("an evaluation.json becomes a report; one that is not a result is refused by its field", async () => {
  const dir = await mkdtemp(join(tmpdir(), "report-"));
  try {
    const [json, page] = [join(dir, "evaluation.json"), join(dir, "deep", "report.html")];
    await writeFile(json, JSON.stringify(evaluationFixture()));
    await renderReportFile(json, page);
    expect((await readFile(page, "utf8")) === whole).toBe(true);
    await writeFile(json, JSON.stringify({ ...evaluationFixture(), seeds: "1" }));
    await expect(renderReportFile(json, page)).rejects.toThrow(/field "seeds".*evaluation\.json/);
    await expect(renderReportFile(join(dir, "none.json"), page)).rejects.toThrow(
      /none\.json cannot be read.*npm run evaluate/,
    );
    await expect(writeReport(json.concat("/x/report.html"), evaluationFixture())).rejects.toThrow(/cannot write/);
  } finally {
    await rm(dir, { recursive: true });
  }
});
