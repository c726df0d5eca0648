// Grouped bars over named categories, for shares.

import { type ChartOption, COLORS } from "../chart.ts";
import { formatPercent } from "../format.ts";
import { categoryAxis, grid, yAxis } from "./axes.ts";

export interface Bars {
  values: readonly number[];
  color: string;
}

/** Pixels of the width a bar needs for a number above it. */
const MIN_LABELLED = 26;

export function barChart(
  names: readonly string[],
  groups: readonly Bars[],
  labels: { x: string; y: string },
  width: number,
): ChartOption {
  const slim = (width - 64) / (names.length * groups.length) < MIN_LABELLED;
  return {
    grid: grid(labels.y),
    xAxis: categoryAxis(names, labels.x),
    yAxis: yAxis({ label: labels.y, format: (share) => formatPercent(share, 0), min: 0 }),
    series: groups.map(({ values, color }) => ({
      type: "bar",
      data: values,
      color,
      barGap: "8%",
      barCategoryGap: "28%",
      barMaxWidth: 34,
      silent: true,
      label: {
        show: !slim,
        position: "top",
        distance: 3,
        formatter: ({ dataIndex }: { dataIndex: number }) => barLabel(values[dataIndex] ?? 0),
        color: COLORS.soft,
        fontSize: 11,
      },
    })),
  };
}

/** Whole percent, a decimal where a whole one would read as nothing, and nothing for nothing. */
function barLabel(share: number): string {
  if (share === 0) return "";
  return (100 * share).toFixed(share < 0.01 ? 1 : 0);
}
