// ECharts on the server, as inline SVG without script: colours are CSS variables, so that one picture serves light, dark and print.

import { BarChart, CustomChart, LineChart } from "echarts/charts";
import { GridComponent } from "echarts/components";
import { type EChartsCoreOption, init, use } from "echarts/core";
import { SVGRenderer } from "echarts/renderers";
import { escapeHtml, Html } from "./html.ts";

use([BarChart, CustomChart, LineChart, GridComponent, SVGRenderer]);

export type ChartOption = EChartsCoreOption;

/** CSS variables of the page, set in style.ts for both colour schemes. */
export const COLORS = {
  ink: "var(--ink)",
  soft: "var(--soft)",
  line: "var(--line)",
  paper: "var(--paper)",
  /** The model in question. */
  accent: "var(--accent)",
  /** What it is compared with. */
  before: "var(--before)",
  /** Errors, and a second method. */
  wrong: "var(--wrong)",
  third: "var(--third)",
} as const;

/** Draws `option` at `width` x `height` CSS pixels; `label` is read in place of the picture. */
export function renderChart(option: ChartOption, size: { width: number; height: number }, label: string): Html {
  const chart = init(null, null, { renderer: "svg", ssr: true, ...size });
  try {
    chart.setOption({ animation: false, textStyle: { fontFamily: "inherit" }, ...option });
    return new Html(tidySvg(chart.renderToSVGString(), label));
  } finally {
    chart.dispose();
  }
}

let drawn = 0;

/** Clip paths are named by a count of this page, not of the process, so that the same result gives the same bytes. */
export function restartChartIds(): void {
  drawn = 0;
}

/** Leaves out what only a script or a file of its own would need, and names the picture for screen readers. */
function tidySvg(svg: string, label: string): string {
  const id = `chart${drawn++}`;
  return svg
    .replace(/<style[\s\S]*?<\/style>/g, "")
    .replace(/ (class|pointer-events|ecmeta_\w+|xmlns|xmlns:xlink|version|baseProfile)="[^"]*"/g, "")
    .replace(/zr\d+-c(\d+)/g, `${id}-$1`)
    .replace(/\n+/g, "")
    .replace(/(\d\.\d{2})\d+/g, "$1")
    .replace(/^<svg/, () => `<svg role="img" aria-label="${escapeHtml(label)}"`);
}
