// A solution is a list of steps, one a line. Trainer and worker must cut it the same way.

/** One reasoning step; `text` is trimmed and equals `source.slice(start, end)` (UTF-16 offsets, half-open). */
export interface Step {
  text: string;
  start: number;
  end: number;
}

/** Splits a completion into its steps: `\n` separates, blank lines are dropped, spaces at a line's ends belong to no step. */
export function splitSteps(text: string): Step[] {
  const steps: Step[] = [];
  let lineStart = 0;
  for (const line of text.split("\n")) {
    const step = line.trim();
    if (step.length > 0) {
      const start = lineStart + line.indexOf(step);
      steps.push({ text: step, start, end: start + step.length });
    }
    lineStart += line.length + 1;
  }
  return steps;
}

/** A step's text as one line: each line break, with the spaces around it, is one space. Linear in the text, whatever it holds. */
export function onOneLine(text: string): string {
  return text
    .split(/[\r\n]/)
    .map((line) => line.trim())
    .filter((line) => line !== "")
    .join(" ");
}
