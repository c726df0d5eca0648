// Before and after of several shares: a dot each with its interval, joined by a line that shows the way it went.

import type { CustomSeriesRenderItemAPI, CustomSeriesRenderItemParams } from "echarts";
import type { Interval } from "../../result.ts";
import { type ChartOption, COLORS } from "../chart.ts";
import { formatPercent } from "../format.ts";
import { categoryAxis, xAxis } from "./axes.ts";

export interface Change {
  name: string;
  before?: Interval;
  after: Interval;
}

export const ROW_HEIGHT = 54;

export function changeChart(changes: readonly Change[]): ChartOption {
  const rows = changes.toReversed();
  const data = rows.flatMap(({ before, after }, row) =>
    [before, after].flatMap((dot) => (dot ? [[dot.value, row]] : [])),
  );
  return {
    grid: { left: 118, right: 26, top: 8, bottom: 34 },
    xAxis: {
      ...xAxis({ label: "", format: (share) => formatPercent(share, 0), min: 0, max: 1 }),
      splitLine: { show: true, lineStyle: { color: COLORS.line } },
      axisLine: { show: false },
    },
    yAxis: {
      ...categoryAxis(
        rows.map((row) => row.name),
        "",
      ),
      axisLine: { show: false },
      axisLabel: {
        color: COLORS.ink,
        fontSize: 13,
        width: 108,
        overflow: "break",
        interval: 0,
        align: "left",
        margin: 112,
      },
    },
    series: [
      {
        type: "custom",
        silent: true,
        data: data.length === 0 ? [] : rows.map((row, i) => [row.after.value, i]),
        renderItem: (params: CustomSeriesRenderItemParams, api: CustomSeriesRenderItemAPI) => {
          const row = rows[params.dataIndex];
          return row === undefined ? undefined : { type: "group", children: drawRow(row, params.dataIndex, api) };
        },
      },
    ],
  };
}

function drawRow({ before, after }: Change, row: number, api: CustomSeriesRenderItemAPI): object[] {
  const at = (share: number): { x: number; y: number } => {
    const [x = 0, y = 0] = api.coord([share, row]);
    return { x, y };
  };
  const line = (low: number, high: number, style: object, dy = 0): object => {
    const [from, to] = [at(low), at(high)];
    return { type: "line", shape: { x1: from.x, y1: from.y + dy, x2: to.x, y2: to.y + dy }, style };
  };
  const dot = (interval: Interval, color: string, below: boolean): object[] => {
    const { x, y } = at(interval.value);
    const text = { x, y: y + (below ? 11 : -11), text: formatPercent(interval.value), fill: color, fontSize: 12 };
    return [
      line(interval.low, interval.high, { stroke: color, lineWidth: 8, opacity: 0.28 }),
      { type: "circle", shape: { cx: x, cy: y, r: 5 }, style: { fill: color, stroke: COLORS.paper, lineWidth: 1.5 } },
      {
        type: "text",
        style: { ...text, textAlign: "center", textVerticalAlign: below ? "top" : "bottom", fontFamily: "inherit" },
      },
    ];
  };
  return [
    ...(before ? [line(before.value, after.value, { stroke: COLORS.soft, lineWidth: 1.5 })] : []),
    ...(before ? dot(before, COLORS.before, true) : []),
    ...dot(after, COLORS.accent, false),
  ];
}
