// What makes a problem harder to read and leaves its solution as it is: a number that does not matter, and a first amount that is named
// last. Each is set into a finished draft; false where the draft has no place for it.

import type { Rng } from "../../../shared/rng.ts";
import type { Draft } from "./draft.ts";
import { SENTENCES } from "./wording.ts";

const isKind = (template: string, kind: keyof typeof SENTENCES): boolean =>
  SENTENCES[kind].some((one: string) => one === template);

/**
 * "Tom has 31 apples." somewhere behind the first sentence of a problem that asks only what the first person has. The number is none of
 * the solution's, so that a step that uses it is wrong.
 */
export function addDistractor({ sentences, equations, maxValue }: Draft, rng: Rng): boolean {
  const question = sentences.at(-1);
  if (question === undefined || !isKind(question.template, "askOwn") || sentences.length < 3) return false;
  if (sentences.some(({ template }) => template.startsWith("{T} has"))) return false;
  const used = new Set(equations.flatMap(({ left, right, result }) => [left, right, result]));
  const free = Array.from({ length: maxValue - 1 }, (_, i) => i + 2).filter((number) => !used.has(number));
  if (free.length === 0) return false;
  const [template] = SENTENCES.otherHas;
  sentences.splice(rng.int(1, sentences.length), 0, {
    template,
    slots: { subject: "", a: rng.pick(free), b: undefined },
  });
  return true;
}

/** "Mia starts with 12 apples." right before the question; the sentence that comes first now names her. */
export function nameStartLate({ cast, sentences }: Draft): boolean {
  const [start, next] = sentences;
  if (start === undefined || next === undefined || sentences.length < 3) return false;
  if (!isKind(start.template, "start") || !next.template.startsWith("{S}")) return false;
  next.slots.subject = cast.name;
  sentences.shift();
  sentences.splice(-1, 0, { template: "{N} starts with {a} {i}.", slots: start.slots });
  return true;
}
