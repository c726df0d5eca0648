// The shared look of all axes: hair lines, quiet labels, no frame.

import { COLORS } from "../chart.ts";

export interface Axis {
  /** Said at the axis' end. */
  label: string;
  format: (value: number) => string;
  min?: number;
  max?: number;
  /** Ticks at powers of two. */
  log?: boolean;
}

const LABEL = { color: COLORS.soft, fontSize: 12 };

/** Below the picture. */
export function xAxis(axis: Axis): Record<string, unknown> {
  return {
    type: axis.log ? "log" : "value",
    ...(axis.log ? { logBase: 2 } : {}),
    ...(axis.min === undefined ? {} : { min: axis.min }),
    ...(axis.max === undefined ? {} : { max: axis.max }),
    name: axis.label,
    nameLocation: "middle",
    nameGap: 28,
    nameTextStyle: LABEL,
    splitNumber: 4,
    axisLine: { show: true, onZero: false, lineStyle: { color: COLORS.soft } },
    axisTick: { show: true, length: 4, lineStyle: { color: COLORS.soft } },
    splitLine: { show: false },
    axisLabel: { ...LABEL, formatter: axis.format, hideOverlap: true },
  };
}

export function categoryAxis(names: readonly string[], label: string): Record<string, unknown> {
  return {
    type: "category",
    data: names,
    name: label,
    nameLocation: "middle",
    nameGap: 28,
    nameTextStyle: LABEL,
    axisLine: { lineStyle: { color: COLORS.soft } },
    axisTick: { show: false },
    axisLabel: { ...LABEL, interval: 0 },
  };
}

/** At the left, its label above it. */
export function yAxis(axis: Axis): Record<string, unknown> {
  return {
    type: "value",
    min: axis.min ?? "dataMin",
    ...(axis.max === undefined ? {} : { max: axis.max }),
    scale: true,
    name: axis.label,
    nameLocation: "end",
    nameGap: 12,
    nameTextStyle: { ...LABEL, align: "left", padding: [0, 0, 0, -38] },
    splitNumber: 4,
    axisLine: { show: false },
    axisTick: { show: false },
    splitLine: { lineStyle: { color: COLORS.line } },
    axisLabel: { ...LABEL, formatter: axis.format },
  };
}

/** Room for the labels; `right` for what is written beside the last point. */
export function grid(right = 16): Record<string, unknown> {
  return { left: 48, right, top: 34, bottom: 44 };
}
