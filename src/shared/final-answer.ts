// The final answer of a solution in the ways data sets write it, and when two answers are the same: GSM8K's `#### 42`, this project's
// `A: 42`, LaTeX's \boxed{42}, and "the answer is 42". The last one in the text counts.

import { splitSteps } from "./steps.ts";

const PATTERNS = [/^####\s*(.+)$/, /^A\s*:\s*(.+)$/i, /(?:^|\W)answer\s*(?:is|:|=)\s*:?\s*(.+)$/i];

/** The text inside the last \boxed{...}, braces balanced. */
function boxed(text: string): string | undefined {
  const start = text.lastIndexOf("\\boxed{");
  if (start < 0) return undefined;
  const from = start + "\\boxed{".length;
  let depth = 1;
  for (let i = from; i < text.length; i++) {
    if (text[i] === "{") depth++;
    if (text[i] === "}" && --depth === 0) return text.slice(from, i);
  }
  return undefined;
}

/** The final answer, normalised; undefined when the text states none. */
export function finalAnswer(solution: string): string | undefined {
  const lines = splitSteps(solution).map((step) => step.text);
  for (const pattern of PATTERNS) {
    const stated = lines.flatMap((line) => pattern.exec(line)?.[1] ?? []).at(-1);
    if (stated === undefined) continue;
    const normalised = normaliseAnswer(boxed(stated) ?? stated);
    if (normalised !== "") return normalised;
  }
  const inBox = boxed(solution);
  return inBox === undefined ? undefined : normaliseAnswer(inBox) || undefined;
}

/** "$1,200.00." -> "1200": currency, grouping commas, units of per cent, trailing dots and LaTeX spacing aside; numbers by value. */
export function normaliseAnswer(answer: string): string {
  const bare = answer
    .replace(/\\(?:left|right|!|,|;| )/g, "")
    .replace(/\\[dt]frac/g, "\\frac")
    .replace(/\\?[$%]/g, "")
    .replace(/(\d),(?=\d{3}(?!\d))/g, "$1")
    .replace(/\s+/g, " ")
    .trim()
    .replace(/\.$/, "")
    .trim()
    .toLowerCase();
  const number = /^[-+]?(?:\d+\.?\d*|\.\d+)$/.test(bare) ? Number(bare) : Number.NaN;
  return Number.isFinite(number) ? String(number === 0 ? 0 : number) : bare;
}
