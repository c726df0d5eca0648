// Reliability diagram: in each bin of scores, the share of steps that are right; on the diagonal the scores are probabilities.
// The bars below say how many steps a bin holds.

import type { CustomSeriesRenderItemAPI, CustomSeriesRenderItemParams } from "echarts";
import type { JudgeMetrics } from "../../result.ts";
import { type ChartOption, COLORS } from "../chart.ts";
import { formatCount, formatDecimal, formatPercent } from "../format.ts";
import { xAxis, yAxis } from "./axes.ts";

export function reliabilityChart(bins: JudgeMetrics["reliability"]): ChartOption {
  const x = xAxis({ label: "score of the step", format: formatDecimal, min: 0, max: 1 });
  const top = Math.max(1, ...bins.map((bin) => bin.count));
  const points = bins.flatMap(({ mean_score, share_right, count }) =>
    mean_score === null || share_right === null ? [] : [{ at: [mean_score, share_right], count }],
  );
  return {
    grid: [
      { left: 48, right: 16, top: 34, height: 190 },
      { left: 48, right: 16, top: 240, height: 48 },
    ],
    xAxis: [
      { ...x, gridIndex: 0, name: "", axisLabel: { show: false }, axisTick: { show: false } },
      { ...x, gridIndex: 1 },
    ],
    yAxis: [
      {
        ...yAxis({ label: "share that is right", format: (share) => formatPercent(share, 0), min: 0, max: 1 }),
        gridIndex: 0,
      },
      { ...yAxis({ label: "", format: formatCount, min: 0, max: top }), gridIndex: 1, interval: top },
    ],
    series: [
      {
        type: "line",
        silent: true,
        showSymbol: false,
        data: [[0, 0], [1, 1]], // biome-ignore format: two points
        lineStyle: { color: COLORS.soft, width: 1, type: "dashed" },
      },
      {
        type: "line",
        silent: true,
        symbol: "circle",
        data: points.map(({ at, count }) => ({ value: at, symbolSize: 6 + 10 * Math.sqrt(count / top) })),
        lineStyle: { color: COLORS.accent, width: 2 },
        itemStyle: { color: COLORS.accent },
      },
      {
        type: "custom",
        silent: true,
        xAxisIndex: 1,
        yAxisIndex: 1,
        data: bins.map(({ low, count }) => [low, count]),
        renderItem: (params: CustomSeriesRenderItemParams, api: CustomSeriesRenderItemAPI) => {
          const bin = bins[params.dataIndex];
          if (bin === undefined) return undefined;
          const [[left = 0, y = 0], [right = 0, base = 0]] = [
            api.coord([bin.low, bin.count]),
            api.coord([bin.high, 0]),
          ];
          const shape = { x: left + 1, y, width: Math.max(0, right - left - 2), height: base - y };
          return { type: "rect", shape, style: { fill: COLORS.before } };
        },
      },
    ],
  };
}
