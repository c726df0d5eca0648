// A figure is a title, a sentence that says what to see, the picture at two widths, and its numbers in a table for whoever prefers them.

import { type ChartOption, renderChart } from "./chart.ts";
import { type Html, type HtmlValue, html } from "./html.ts";

/** One entry of the key above a chart; `mark` is a CSS class of style.ts. */
export interface KeyEntry {
  mark: "accent" | "before" | "wrong" | "third" | "accent-thin" | "before-thin";
  text: string;
}

export interface Table {
  columns: readonly string[];
  /** The first cell of a row is its header. */
  rows: readonly (readonly HtmlValue[])[];
}

export interface Figure {
  title: string;
  /** The caption: what to see. */
  summary: string;
  /** What the picture shows, in words, where the caption does not say it. */
  alternative?: string;
  key?: readonly KeyEntry[];
  /** The option for a picture of this width. */
  draw: (width: number) => ChartOption;
  /** Height in CSS pixels. */
  height: number;
  table: Table;
  /** `half` figures stand side by side where there is room. */
  size?: "full" | "half";
}

const WIDE = 720;
const NARROW = 340;

/** The caption is for screen readers; what stands above says the same. The table scrolls by itself where it is too wide. */
export function renderTable(table: Table, caption: string): Html {
  return html`<div class="scroll" tabindex="0" role="region" aria-label="${caption}"><table><caption>${caption}</caption>
<thead><tr>${table.columns.map((column) => html`<th scope="col">${column}</th>`)}</tr></thead>
<tbody>${table.rows.map(([head, ...cells]) => html`<tr><th scope="row">${head}</th>${cells.map((cell) => html`<td>${cell}</td>`)}</tr>`)}</tbody></table></div>`;
}

/** A table that is read as it stands, under a heading. */
export function renderTitledTable(table: Table, title: string): Html {
  return html`<h3 class="group">${title}</h3>${renderTable(table, title)}`;
}

export function renderFigure(figure: Figure): Html {
  const { title, summary, alternative = summary, key = [], draw, height, table, size = "full" } = figure;
  const label = `${title}. ${alternative}`;
  const picture = (width: number): Html => renderChart(draw(width), { width, height }, label);
  const pictures =
    size === "half"
      ? html`<div class="chart">${picture(NARROW)}</div>`
      : html`<div class="chart wide">${picture(WIDE)}</div><div class="chart narrow">${picture(NARROW)}</div>`;
  return html`<figure class="${size}">
<h3>${title}</h3>
<figcaption>${summary}</figcaption>
${key.length > 0 ? html`<ul class="key">${key.map((entry) => html`<li><i class="${entry.mark}"></i>${entry.text}</li>`)}</ul>` : undefined}
${pictures}
<details><summary>The numbers</summary>${renderTable(table, title)}</details>
</figure>`;
}
