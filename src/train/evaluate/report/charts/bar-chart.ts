// Grouped bars over named categories, for shares.

import { type ChartOption, COLORS } from "../chart.ts";
import { formatPercent } from "../format.ts";
import { categoryAxis, grid, yAxis } from "./axes.ts";

export interface Bars {
  values: readonly number[];
  color: string;
}

export function barChart(
  names: readonly string[],
  groups: readonly Bars[],
  labels: { x: string; y: string },
): ChartOption {
  const slim = names.length * groups.length > 14;
  return {
    grid: grid(),
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
        formatter: ({ dataIndex }: { dataIndex: number }) => (100 * (values[dataIndex] ?? 0)).toFixed(0),
        color: COLORS.soft,
        fontSize: 11,
      },
    })),
  };
}
