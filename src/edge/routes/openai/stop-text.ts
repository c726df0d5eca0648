// OpenAI's text does not hold the stop string. In a stream, what may be the beginning of one is held back until it is known.

import { endOfStop } from "../../engine/stop.ts";

/** The text before the stop string that ends it first. */
export function beforeStop(text: string, stops: readonly string[]): string {
  const end = endOfStop(text, stops);
  const stop = end === undefined ? undefined : stops.find((one) => text.slice(0, end).endsWith(one));
  return end === undefined || stop === undefined ? text : text.slice(0, end - stop.length);
}

/** Takes a text in pieces and gives what is certain not to belong to a stop string. */
export function createStopFilter(stops: readonly string[]) {
  let text = "";
  let given = 0;
  const give = (end: number): string => {
    const piece = text.slice(given, end);
    given = Math.max(given, end);
    return piece;
  };
  return {
    add(piece: string): string {
      text += piece;
      const kept = beforeStop(text, stops);
      return give(kept.length < text.length ? kept.length : text.length - longestBeginning(text, stops));
    },
    /** The rest, once the whole text is known. */
    end: (whole: string): string => {
      text = beforeStop(whole, stops);
      return give(text.length);
    },
  };
}

/** Length of the longest end of the text that begins a stop string. */
function longestBeginning(text: string, stops: readonly string[]): number {
  let longest = 0;
  for (const stop of stops) {
    for (let length = Math.min(stop.length - 1, text.length); length > longest; length--) {
      if (text.endsWith(stop.slice(0, length))) longest = length;
    }
  }
  return longest;
}
