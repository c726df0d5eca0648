// The shared look of all axes: hair lines, quiet labels, no frame.

import { COLORS } from "../chart.ts";

export interface Axis {
  /** Said at the axis' end. */
  label: string;
  format: (value: number) => string;
  min?: number;
  max?: number;
  /** Distance of the ticks; chosen to suit where it is not given. */
  interval?: number;
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
    ...ticks(axis),
    name: axis.label,
    nameLocation: "middle",
    nameGap: 28,
    nameTextStyle: LABEL,
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
    ...(axis.min === undefined ? {} : { min: axis.min }),
    ...(axis.max === undefined ? {} : { max: axis.max }),
    ...ticks(axis),
    scale: true,
    name: axis.label,
    nameLocation: "end",
    nameGap: 12,
    nameTextStyle: { ...LABEL, align: "left", padding: [0, 0, 0, -38] },
    axisLine: { show: false, onZero: false },
    axisTick: { show: false },
    splitLine: { lineStyle: { color: COLORS.line } },
    axisLabel: { ...LABEL, formatter: axis.format },
  };
}

/** Room for the labels: above only where the y axis has one; `right` for what is written beside the last point. */
export function grid(yLabel: string, right = 16): Record<string, unknown> {
  return { left: 48, right, top: yLabel === "" ? 14 : 34, bottom: 44 };
}

function ticks({ min, max, interval }: Axis): { interval: number } | { splitNumber: number } {
  if (interval !== undefined) return { interval };
  return min === 0 && max === 1 ? { interval: 0.25 } : { splitNumber: 4 };
}

/** The range rounded outwards to a round distance of ticks (1, 2, 2.5 or 5 times a power of ten), about six of them. */
export function roundRange(low: number, high: number): { min: number; max: number; interval: number } {
  if (!Number.isFinite(low) || !Number.isFinite(high)) return { min: 0, max: 1, interval: 0.25 };
  if (!(high > low)) return roundRange(low - 0.5, low + 0.5);
  const rough = (high - low) / 6;
  const power = 10 ** Math.floor(Math.log10(rough));
  const interval = power * ([1, 2, 2.5, 5, 10].find((factor) => factor * power >= rough * 0.999) ?? 10);
  const at = (value: number): number => Number((value * interval).toPrecision(12));
  return { min: at(Math.floor(low / interval + 1e-6)), max: at(Math.ceil(high / interval - 1e-6)), interval };
}
