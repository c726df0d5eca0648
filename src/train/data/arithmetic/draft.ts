// A problem in the making: the amount so far, and the sentences and equations written.
// Rules kept here: every number and result within [2, maxValue]; results differ from each other and from the first amount, and no number
// of the question equals an earlier result. So the solution's text alone tells where each operand comes from (the checker needs that).

import type { Rng } from "../../../shared/rng.ts";
import { applyOperator, FROM_QUESTION, type Operator, type StepEquation } from "./problem.ts";
import {
  type Cast,
  fillTemplate,
  LEADS,
  SENTENCES,
  type SentenceKind,
  type Slots,
  STEP_ENDS,
  STEP_STARTS,
} from "./wording.ts";

/** A number and the step it comes from (FROM_QUESTION for none). */
export interface Operand {
  value: number;
  from: number;
}

export interface Draft {
  cast: Cast;
  isFood: boolean;
  maxValue: number;
  /** What the person has now. */
  amount: Operand;
  /** Templates with what fills them; filled when the problem is finished, since most drafts are thrown away. */
  sentences: { template: string; slots: Slots }[];
  equations: StepEquation[];
  /** First amount and all results so far. */
  taken: Set<number>;
}

/** An operand that stands in the question. */
export function given(value: number): Operand {
  return { value, from: FROM_QUESTION };
}

function fits({ equations, maxValue }: Draft, { value, from }: Operand): boolean {
  if (value < 2 || value > maxValue) return false;
  return from !== FROM_QUESTION || !equations.some((step) => step.result === value);
}

/** What a step works out. */
export type Operation = readonly [left: Operand, op: Operator, right: Operand];

/** Writes one step and returns its result as an operand; undefined, with the draft unchanged, when a rule forbids it. */
export function addStep(
  draft: Draft,
  [left, op, right]: Operation,
  wording: { start?: keyof typeof STEP_STARTS; end?: keyof typeof STEP_ENDS } = {},
): Operand | undefined {
  const { cast, taken, equations, maxValue } = draft;
  const result = applyOperator(left.value, op, right.value);
  if (result === undefined || result < 2 || result > maxValue || taken.has(result)) return undefined;
  if (!fits(draft, left) || !fits(draft, right)) return undefined;
  const before = fillTemplate(STEP_STARTS[wording.start ?? "own"], cast);
  const after = fillTemplate(STEP_ENDS[wording.end ?? "plain"], cast);
  const numbers = { left: left.value, op, right: right.value, result };
  equations.push({ ...numbers, leftFrom: left.from, rightFrom: right.from, before, after });
  taken.add(result);
  return { value: result, from: equations.length - 1 };
}

/**
 * Writes one sentence about these numbers (true, for chaining). A sentence about the subject may start with a pronoun, the name, or
 * "Then she".
 */
export function addSentence(draft: Draft, rng: Rng, kinds: readonly SentenceKind[], ...[a, b]: number[]): true {
  const { cast } = draft;
  const template = rng.pick(kinds.flatMap<string>((kind) => SENTENCES[kind]));
  let subject: string = cast.pronoun;
  if (template.startsWith("{S}")) {
    const draw = rng.next();
    if (draw < 0.2) subject = cast.name;
    else if (draw < 0.5) subject = `${rng.pick(LEADS)} ${cast.pronoun.toLowerCase()}`;
  }
  draft.sentences.push({ template, slots: { subject, a, b } });
  return true;
}

/** Takes back all steps from index `length` on. */
export function dropSteps(draft: Draft, length: number): void {
  for (const step of draft.equations.splice(length)) draft.taken.delete(step.result);
}
