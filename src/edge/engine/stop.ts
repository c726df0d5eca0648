// Stop strings: found in the text so far, wherever token borders fall.

/** End (exclusive) of the stop string that ends first in `text`, or undefined when none occurs. Empty stop strings never match. */
export function endOfStop(text: string, stops: readonly string[]): number | undefined {
  const ends = stops
    .filter((stop) => stop.length > 0 && text.includes(stop))
    .map((stop) => text.indexOf(stop) + stop.length);
  return ends.length === 0 ? undefined : Math.min(...ends);
}
