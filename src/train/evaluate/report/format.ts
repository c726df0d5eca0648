// Numbers for people: percent, points, counts and plain decimals, with a true minus sign and thin enough precision.

import type { Interval } from "../result.ts";

const count = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });

/** `-0.5` -> `−0.5`; what rounds to nothing loses its sign. */
function trueMinus(text: string): string {
  return /^-[0.,]*$/.test(text) ? text.slice(1) : text.replace("-", "−");
}

/** 12345 -> `12,345`. */
export function formatCount(value: number): string {
  return trueMinus(count.format(value));
}

/** 0.6239 -> `62.4%`. */
export function formatPercent(share: number, digits = 1): string {
  return `${trueMinus((100 * share).toFixed(digits))}%`;
}

/** Three figures that count: 0.01234 -> `0.0123`, 1234.5 -> `1,235`, 2.5 -> `2.5`. */
export function formatDecimal(value: number): string {
  if (!Number.isFinite(value)) return "–";
  if (Math.abs(value) >= 1000) return formatCount(value);
  if (value !== 0 && Math.abs(value) < 1e-4) return trueMinus(value.toExponential(1));
  return trueMinus(String(Number(value.toPrecision(3))));
}

/** How a metric is written: as a share of a whole, or as a plain number. */
export type Unit = "share" | "number";

export function formatValue(value: number, unit: Unit): string {
  return unit === "share" ? formatPercent(value) : formatDecimal(value);
}

/** A difference with its sign: shares in percentage points. */
export function formatChange(value: number, unit: Unit): string {
  const text = unit === "share" ? trueMinus((100 * value).toFixed(1)) : formatDecimal(value);
  const sign = text.startsWith("−") || Number(text) === 0 ? "" : "+";
  return `${sign}${text}${unit === "share" ? " points" : ""}`;
}

/** `58.1% to 66.4%`. */
export function formatInterval(interval: Interval, unit: Unit): string {
  return `${formatValue(interval.low, unit)} to ${formatValue(interval.high, unit)}`;
}

/** The interval of a difference, the unit left to the difference itself: `+12.6 to +16.0`. */
export function formatRange(interval: Interval, unit: Unit): string {
  const bare = (value: number): string => formatChange(value, unit).replace(" points", "");
  return `${bare(interval.low)} to ${bare(interval.high)}`;
}

/** Whether zero lies outside the interval. */
export function excludesZero(interval: Interval): boolean {
  return interval.low > 0 || interval.high < 0;
}
