// Multi-step arithmetic word problems from a seed: a chain of events that change an amount, and its worked solution.

import { InputError } from "../../../shared/errors.ts";
import type { Rng } from "../../../shared/rng.ts";
import { addSentence, type Draft, dropSteps, given } from "./draft.ts";
import { type Event, LAST_EVENTS, MIDDLE_EVENTS, startProblem } from "./events.ts";
import { type ArithmeticProblem, answerLine, stepLine } from "./problem.ts";
import { addDistractor, nameStartLate } from "./traps.ts";
import { BOYS, CONTAINERS, FOODS, fillTemplate, GIRLS, THINGS } from "./wording.ts";

/** Number of solution steps (the answer line not counted), both ends included; `maxValue` caps every number and result. */
export interface ProblemRange {
  minSteps: number;
  maxSteps: number;
  /** Default 99; at least 30. */
  maxValue?: number;
  /** Half of the problems say a number that does not matter, half name the first amount last. Default false. */
  traps?: boolean;
}

/** The longest problem. */
export const MOST_STEPS = 12;

export const DEFAULT_RANGE = { minSteps: 2, maxSteps: 6, maxValue: 99 } as const satisfies ProblemRange;

/** One problem; its number of steps is uniform over the range. Throws InputError for a range outside 1 to 12 steps. */
export function generateProblem(rng: Rng, range: ProblemRange = DEFAULT_RANGE): ArithmeticProblem {
  const { minSteps, maxSteps, maxValue = DEFAULT_RANGE.maxValue } = range;
  const whole = Number.isInteger(minSteps) && Number.isInteger(maxSteps) && Number.isInteger(maxValue);
  if (!whole || minSteps < 1 || maxSteps < minSteps || maxSteps > MOST_STEPS || maxValue < 30 || maxValue > 99) {
    throw new InputError({
      code: "bad_problem_range",
      what: `no problems with ${minSteps} to ${maxSteps} steps and numbers up to ${maxValue}`,
      fix: `Use 1 <= minSteps <= maxSteps <= ${MOST_STEPS} and 30 <= maxValue <= 99.`,
    });
  }
  const steps = rng.int(minSteps, maxSteps + 1);
  for (;;) {
    const draft = drawDraft(rng, steps, maxValue);
    if (draft === undefined || (range.traps && !setTraps(draft, rng))) continue;
    return finishProblem(draft);
  }
}

/** False where the draft has no place for a trap that was drawn. */
function setTraps(draft: Draft, rng: Rng): boolean {
  const [distractor, late] = [rng.next() < 0.5, rng.next() < 0.5];
  return (!late || nameStartLate(draft)) && (!distractor || addDistractor(draft, rng));
}

/** Tries once; undefined when the numbers drawn do not fit together. */
function drawDraft(rng: Rng, steps: number, maxValue: number): Draft | undefined {
  const girlFirst = rng.next() < 0.5;
  const isFood = rng.next() < 0.5;
  const [girl, boy] = [rng.pick(GIRLS), rng.pick(BOYS)];
  const draft: Draft = {
    cast: {
      name: girlFirst ? girl : boy,
      pronoun: girlFirst ? "She" : "He",
      other: girlFirst ? boy : girl,
      items: rng.pick(isFood ? FOODS : THINGS),
      containers: rng.pick(CONTAINERS),
    },
    isFood,
    maxValue,
    amount: given(0),
    sentences: [],
    equations: [],
    taken: new Set(),
  };
  startProblem(draft, rng);
  const lastSteps = rng.next() < 0.25 ? rng.int(1, 3) : 0;
  for (;;) {
    const left = steps - draft.equations.length - lastSteps;
    if (left < 0) return undefined;
    if (left === 0) break;
    const size = left >= 2 && rng.next() < 0.25 ? 2 : 1;
    if (!tryEvents(draft, rng, MIDDLE_EVENTS[size])) return undefined;
  }
  if (lastSteps === 0) addSentence(draft, rng, ["askOwn"]);
  else if (!tryEvents(draft, rng, lastSteps === 1 ? LAST_EVENTS[1] : LAST_EVENTS[2])) return undefined;
  return draft;
}

/** Draws events until the numbers of one fit; false after a few. */
function tryEvents(draft: Draft, rng: Rng, events: readonly Event[]): boolean {
  const length = draft.equations.length;
  for (let tries = 0; tries < 4; tries++) {
    if (rng.pick(events)(draft, rng)) return true;
    dropSteps(draft, length);
  }
  return false;
}

function finishProblem({ cast, sentences, equations }: Draft): ArithmeticProblem {
  const answer = equations.at(-1)?.result ?? 0; // a range has at least one step
  const prompt = sentences.map(({ template, slots }) => fillTemplate(template, cast, slots)).join(" ");
  return { prompt, steps: [...equations.map(stepLine), answerLine(answer)], answer, equations };
}
