// Lines named at their right end, each with its interval as a band where there is one.

import type { CustomSeriesRenderItemAPI, CustomSeriesRenderItemParams } from "echarts";
import { type ChartOption, COLORS } from "../chart.ts";
import { type Axis, grid, xAxis, yAxis } from "./axes.ts";

export interface LinePoint {
  x: number;
  /** null breaks the line. */
  y: number | null;
  low?: number;
  high?: number;
}

export interface Line {
  /** Written at the end of the line; an empty name writes nothing. */
  name: string;
  points: readonly LinePoint[];
  color: string;
  dash?: "solid" | "dashed" | "dotted";
  width?: number;
  /** A dot at each point. */
  dots?: boolean;
  opacity?: number;
}

const CHARACTER = 6.4;

export function lineChart(lines: readonly Line[], axes: { x: Axis; y: Axis }): ChartOption {
  const longest = Math.max(0, ...lines.map((line) => line.name.length));
  return {
    grid: grid(axes.y.label, longest === 0 ? 16 : 16 + longest * CHARACTER),
    xAxis: xAxis(axes.x),
    yAxis: yAxis(axes.y),
    series: [...lines.flatMap(band), ...lines.map(stroke)],
  };
}

function stroke(line: Line): Record<string, unknown> {
  const { name, points, color, dash = "solid", width = 2, dots = false, opacity = 1 } = line;
  return {
    type: "line",
    data: points.map(({ x, y }) => [x, y]),
    color,
    lineStyle: { color, width, type: dash, opacity },
    itemStyle: { color },
    symbol: "circle",
    symbolSize: 6,
    showSymbol: dots,
    silent: true,
    z: 3,
    endLabel: {
      show: name !== "",
      formatter: () => name,
      color,
      fontSize: 12,
      distance: 6,
      textBorderColor: COLORS.paper,
      textBorderWidth: 3,
    },
    labelLayout: { moveOverlap: "shiftY" },
  };
}

function band(line: Line): Record<string, unknown>[] {
  const points = line.points.flatMap(({ x, low, high }) =>
    low === undefined || high === undefined ? [] : [{ x, low, high }],
  );
  if (points.length < 2) return [];
  const outline = [...points.map(({ x, high }) => [x, high]), ...points.toReversed().map(({ x, low }) => [x, low])];
  return [
    {
      type: "custom",
      silent: true,
      z: 1,
      clip: true,
      data: outline,
      renderItem: (params: CustomSeriesRenderItemParams, api: CustomSeriesRenderItemAPI) =>
        params.dataIndex > 0
          ? undefined
          : {
              type: "polygon",
              shape: { points: outline.map((point) => api.coord(point)) },
              style: { fill: line.color, opacity: 0.14 },
            },
    },
  ];
}
