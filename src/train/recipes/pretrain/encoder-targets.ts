// Deep supervision of the encoder: what should stand at the numbers and operators of the steps in a judge prompt. With that known
// inside the encoder, seeing a mistake is a comparison within one position; left to the verdict alone (one bit an example), a small
// model does not find that way.

import type { TextTokenizer } from "../../../shared/tokenizer.ts";
import { applyOperator, type Equation, OPERATORS } from "../../data/arithmetic/problem.ts";

/** Token that should stand at a position of the input. */
export interface EncoderTarget {
  position: number;
  token: number;
}

const words = new WeakMap<TextTokenizer, Map<number, string>>();

/** Text of one token, remembered. */
function wordOf(id: number, tokenizer: TextTokenizer): string {
  const known = words.get(tokenizer) ?? new Map<number, string>();
  words.set(tokenizer, known);
  const word = known.get(id) ?? tokenizer.decode([id]).trim();
  known.set(id, word);
  return word;
}

/** Positions of the run of digits that begins at `start` and goes on in `direction`, in reading order. */
function digitsFrom(text: readonly string[], start: number, direction: 1 | -1): number[] {
  const positions: number[] = [];
  for (let i = start; /^\d$/.test(text[i] ?? ""); i += direction) positions.push(i);
  return direction === 1 ? positions : positions.reverse();
}

/** Digits of a value from the right on the positions, zeros before it. */
function digitTargets(positions: readonly number[], value: number, tokenizer: TextTokenizer): EncoderTarget[] {
  const digits = String(value).padStart(positions.length, "0").slice(-positions.length);
  return positions.map((position, i) => ({ position, token: tokenizer.encode(digits[i] ?? "0")[0] ?? 0 }));
}

/**
 * Targets for the equations of an input, in their order. Operands and operator are those of `gold` (undefined: unknown, none given),
 * the result is that of the numbers as they are written; `answer` is what should follow "A:".
 */
export function encoderTargets(
  input: readonly number[],
  gold: readonly (Equation | undefined)[],
  answer: number | undefined,
  tokenizer: TextTokenizer,
): EncoderTarget[] {
  const text = input.map((id) => wordOf(id, tokenizer));
  const number = (positions: readonly number[]): number => Number(positions.map((i) => text[i]).join(""));
  const targets: EncoderTarget[] = [];
  let equations = 0;
  text.forEach((word, i) => {
    if (word === ":" && text[i - 1] === "A" && answer !== undefined) {
      const positions = digitsFrom(text, i + 1, 1);
      if (positions.length > 0) targets.push(...digitTargets(positions, answer, tokenizer));
    }
    if (word !== "=") return;
    const right = digitsFrom(text, i - 1, -1);
    const operator = (right[0] ?? 0) - 1;
    const op = OPERATORS.find((known) => known === text[operator]);
    const left = digitsFrom(text, operator - 1, -1);
    if (op === undefined || left.length === 0 || right.length === 0) return;
    const should = gold[equations++];
    if (should !== undefined) {
      targets.push(
        ...digitTargets(left, should.left, tokenizer),
        { position: operator, token: tokenizer.encode(should.op)[0] ?? 0 },
        ...digitTargets(right, should.right, tokenizer),
      );
    }
    const result = applyOperator(number(left), op, number(right));
    if (result === undefined || result < 0 || result > 199) return;
    const written = text[i + 1] === "?" ? [i + 1] : digitsFrom(text, i + 1, 1);
    if (written.length > 0) targets.push(...digitTargets(written, result, tokenizer));
    targets.push({ position: i, token: tokenizer.encode(String(Math.floor(result / 10)).slice(-1))[0] ?? 0 });
  });
  return targets;
}
