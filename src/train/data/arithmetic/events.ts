// The events a problem is made of. Each draws its numbers, writes its one or two steps and its sentence, and returns true; false when the
// numbers do not fit: no sentence is written then, but a first step may stand (the caller takes it back).

import type { Rng } from "../../../shared/rng.ts";
import { addSentence, addStep, type Draft, given } from "./draft.ts";
import type { Operator } from "./problem.ts";
import type { SentenceKind } from "./wording.ts";

export type Event = (draft: Draft, rng: Rng) => boolean;

/** A number in [2, top], often below 10; 0 when there is none. */
function drawNumber(rng: Rng, top: number): number {
  if (top < 2) return 0;
  return rng.int(2, (rng.next() < 0.35 ? Math.min(9, top) : top) + 1);
}

/** Two numbers of [2, 9] and [2, 99 / first], in either order. */
function drawFactors(rng: Rng, top: number): [number, number] {
  const small = rng.int(2, 10);
  const large = drawNumber(rng, Math.floor(top / small));
  return rng.next() < 0.5 ? [small, large] : [large, small];
}

/** The amount changes by a number of the question. */
function change(draft: Draft, op: Operator, by: number): boolean {
  const next = addStep(draft, [draft.amount, op, given(by)]);
  if (next !== undefined) draft.amount = next;
  return next !== undefined;
}

/** First `a partOp b` on its own, then the amount changes by its result. */
function changeByPart(draft: Draft, op: Operator, [a, partOp, b]: [number, Operator, number]): boolean {
  const part = addStep(draft, [given(a), partOp, given(b)], { start: "part" });
  const next = part && addStep(draft, [draft.amount, op, part]);
  if (next !== undefined) draft.amount = next;
  return next !== undefined;
}

const byItem = (draft: Draft, base: "add" | "subtract"): SentenceKind[] => [
  base,
  draft.isFood ? `${base}Food` : `${base}Thing`,
];

const add: Event = (draft, rng) => {
  const n = drawNumber(rng, draft.maxValue - draft.amount.value);
  return change(draft, "+", n) && addSentence(draft, rng, byItem(draft, "add"), n);
};

const subtract: Event = (draft, rng) => {
  const n = drawNumber(rng, draft.amount.value - 2);
  return change(draft, "-", n) && addSentence(draft, rng, byItem(draft, "subtract"), n);
};

const multiply: Event = (draft, rng) => {
  const n = rng.int(2, Math.max(2, Math.min(9, Math.floor(draft.maxValue / draft.amount.value))) + 1);
  return change(draft, "*", n) && addSentence(draft, rng, n === 2 ? ["double"] : ["multiply"], n);
};

const divide: Event = (draft, rng) => {
  const divisors = [2, 3, 4, 5, 6, 7, 8, 9].filter((n) => draft.amount.value % n === 0);
  if (divisors.length === 0) return false;
  const n = rng.pick(divisors);
  return change(draft, "/", n) && addSentence(draft, rng, n === 2 ? ["halve"] : ["divide"], n);
};

const addProduct: Event = (draft, rng) => {
  const [a, b] = drawFactors(rng, draft.maxValue - draft.amount.value);
  return changeByPart(draft, "+", [a, "*", b]) && addSentence(draft, rng, ["addProduct"], a, b);
};

const subtractProduct: Event = (draft, rng) => {
  const [a, b] = drawFactors(rng, draft.amount.value - 2);
  return changeByPart(draft, "-", [a, "*", b]) && addSentence(draft, rng, ["subtractProduct"], a, b);
};

const addSum: Event = (draft, rng) => {
  const a = drawNumber(rng, draft.maxValue - draft.amount.value - 2);
  const b = drawNumber(rng, draft.maxValue - draft.amount.value - a);
  return changeByPart(draft, "+", [a, "+", b]) && addSentence(draft, rng, ["addSum"], a, b);
};

const subtractSum: Event = (draft, rng) => {
  const a = drawNumber(rng, draft.amount.value - 4);
  const b = drawNumber(rng, draft.amount.value - 2 - a);
  return changeByPart(draft, "-", [a, "+", b]) && addSentence(draft, rng, ["subtractSum"], a, b);
};

const addDifference: Event = (draft, rng) => {
  const a = drawNumber(rng, draft.maxValue);
  const b = drawNumber(rng, a - 2);
  return changeByPart(draft, "+", [a, "-", b]) && addSentence(draft, rng, ["addDifference"], a, b);
};

const addQuotient: Event = (draft, rng) => {
  const [quotient, b] = [rng.int(2, 20), rng.int(2, 10)];
  return (
    changeByPart(draft, "+", [quotient * b, "/", b]) &&
    addSentence(draft, rng, b === 2 ? ["addHalf"] : ["addQuotient"], quotient * b, b)
  );
};

/** Another person has so many; the question is about the sum or the difference. */
const askWithOther: Event = (draft, rng) => {
  const together = rng.next() < 0.5;
  const n = drawNumber(rng, together ? draft.maxValue - draft.amount.value : draft.amount.value - 2);
  const wording = together ? ({ start: "together" } as const) : ({ start: "difference", end: "more" } as const);
  if (addStep(draft, [draft.amount, together ? "+" : "-", given(n)], wording) === undefined) return false;
  addSentence(draft, rng, ["otherHas"], n);
  return addSentence(draft, rng, [together ? "askTogether" : "askDifference"]);
};

/** Another person's number follows from this one's; the question is about the sum. */
const askWithCompared: Event = (draft, rng) => {
  const op = rng.pick(["+", "-", "*", "/"] as const);
  const value = draft.amount.value;
  const tops = {
    "+": draft.maxValue - 2 * value,
    "-": value - 2,
    "*": Math.min(9, Math.floor(draft.maxValue / value) - 1),
    "/": 2,
  };
  const n = drawNumber(rng, tops[op]);
  const kinds = {
    "+": "otherMore",
    "-": "otherFewer",
    "*": n === 2 ? "otherTwice" : "otherTimes",
    "/": "otherHalf",
  } as const;
  const other = addStep(draft, [draft.amount, op, given(n)], { start: "other" });
  if (other === undefined || !addStep(draft, [draft.amount, "+", other], { start: "together" })) return false;
  addSentence(draft, rng, [kinds[op]], n);
  return addSentence(draft, rng, ["askTogether"]);
};

/** Events in the middle, by their number of steps; an event stands twice where it should come twice as often. */
export const MIDDLE_EVENTS = {
  1: [add, add, subtract, subtract, subtract, multiply, multiply, divide, divide, divide, divide],
  2: [addProduct, addProduct, subtractProduct, subtractProduct, addSum, subtractSum, addDifference, addQuotient],
} as const;

/** Events that end a problem with a question of their own. */
export const LAST_EVENTS = { 1: [askWithOther], 2: [askWithCompared] } as const;

/** Writes the first sentence: an amount, or containers with so many each (which takes a step). */
export function startProblem(draft: Draft, rng: Rng): void {
  if (rng.next() < 0.2) {
    const [a, b] = drawFactors(rng, draft.maxValue);
    const product = addStep(draft, [given(a), "*", given(b)]);
    if (product !== undefined) {
      draft.amount = product;
      addSentence(draft, rng, ["startProduct"], a, b);
      return;
    }
  }
  draft.amount = given(rng.int(3, draft.maxValue + 1));
  draft.taken.add(draft.amount.value);
  addSentence(draft, rng, ["start"], draft.amount.value);
}
