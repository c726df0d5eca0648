// Distributions over the same axis, laid over each other as shares, so that sets of different size compare.

import type { CustomSeriesRenderItemAPI, CustomSeriesRenderItemParams } from "echarts";
import type { Histogram } from "../../result.ts";
import { type ChartOption, COLORS } from "../chart.ts";
import { formatPercent } from "../format.ts";
import { type Axis, grid, roundRange, xAxis, yAxis } from "./axes.ts";

export interface Distribution {
  histogram: Histogram;
  color: string;
  /** Filled, or an outline alone. */
  filled: boolean;
}

/** Shares of the whole, one a bin; all zero for an empty histogram. */
export function binShares(histogram: Histogram): number[] {
  const total = histogram.counts.reduce((sum, count) => sum + count, 0);
  return histogram.counts.map((count) => (total === 0 ? 0 : count / total));
}

/** `zeroLine` draws a line at x = 0. */
export function histogramChart(
  distributions: readonly Distribution[],
  x: Axis,
  options: { of: string; zeroLine?: boolean },
): ChartOption {
  const edges = distributions.flatMap(({ histogram }) => histogram.edges);
  const range = roundRange(Math.min(...edges), Math.max(...edges));
  const top = Math.max(0.01, ...distributions.flatMap(({ histogram }) => binShares(histogram)));
  const zero = { type: "line", silent: true, z: 4, showSymbol: false, color: COLORS.soft };
  return {
    grid: grid(options.of),
    xAxis: xAxis({ ...x, ...range }),
    yAxis: yAxis({
      label: `share of ${options.of}`,
      format: (share) => formatPercent(share, top < 0.02 ? 1 : 0),
      min: 0,
    }),
    series: [
      ...distributions.map(steps),
      ...(options.zeroLine && range.min < 0 && range.max > 0
        ? [{ ...zero, data: [[0, 0], [0, top]], lineStyle: { color: COLORS.soft, width: 1, type: "dashed" } }] // biome-ignore format: one line
        : []),
    ],
  };
}

/** The outline of a histogram as one polygon, in data coordinates: up at each edge, along, and down to zero. */
export function outlineOf(histogram: Histogram): [x: number, y: number][] {
  const { edges } = histogram;
  const shares = binShares(histogram);
  const top = shares.flatMap((share, i): [number, number][] => [
    [edges[i] ?? 0, share],
    [edges[i + 1] ?? 0, share],
  ]);
  return [[edges[0] ?? 0, 0], ...top, [edges.at(-1) ?? 0, 0]];
}

function steps({ histogram, color, filled }: Distribution): Record<string, unknown> {
  const outline = outlineOf(histogram);
  return {
    type: "custom",
    silent: true,
    clip: true,
    z: filled ? 2 : 3,
    data: outline,
    renderItem: (params: CustomSeriesRenderItemParams, api: CustomSeriesRenderItemAPI) => {
      if (params.dataIndex > 0) return undefined;
      const points = outline.map((point) => api.coord(point));
      const edge = { type: "polyline", shape: { points }, style: { stroke: color, lineWidth: 1.5, fill: "none" } };
      const area = { type: "polygon", shape: { points }, style: { fill: color, opacity: filled ? 0.4 : 0.14 } };
      return { type: "group", children: [area, edge] };
    },
  };
}
