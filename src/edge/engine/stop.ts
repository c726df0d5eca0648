// Stop strings: found in the text so far, wherever token borders fall.

/** End (exclusive) of the stop string that ends first in `text`, or undefined when none occurs. Empty stop strings never match. */
export function endOfStop(text: string, stops: readonly string[]): number | undefined {
  const ends = stops
    .filter((stop) => stop.length > 0 && text.includes(stop))
    .map((stop) => text.indexOf(stop) + stop.length);
  return ends.length === 0 ? undefined : Math.min(...ends);
}

/** End in `text` of the stop string that ends first there, though it may begin in `before`; undefined when none does. */
export function endOfStopAcross(before: string, text: string, stops: readonly string[]): number | undefined {
  const ends = stops.flatMap((stop) => {
    const tail = before.slice(Math.max(0, before.length - stop.length + 1));
    const end = endOfStop(tail + text, [stop]);
    return end === undefined ? [] : [end - tail.length];
  });
  return ends.length === 0 ? undefined : Math.min(...ends);
}
