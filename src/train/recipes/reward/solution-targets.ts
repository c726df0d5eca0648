// What the tokens of labelled solutions teach, as positions in the flat [C*T] of a batch. A solution of three steps, the second wrong, which
// leaves a right solution of the same question at token 4 (`d` there):
//
//   position      0        1   2   3   4   5   6   7
//   decoderIds    <start>  a   b   \n  c   \n  e   </s>    stepEnds 3, 5, 7; labels 1, 0, 0; divergence at 4, token d
//   labelledEnds                   yes     no      no      is this step right?
//   within                 yes yes     no      no          is all right up to here?
//   next          a        b   \n  d                       what comes next, or should come
//
// Without a divergence nobody knows which token of the first wrong step is wrong: positions within it teach nothing, and its tokens are not
// predicted.

import type { SolutionTokens } from "../../../shared/process-reward.ts";
import type { StepLabel } from "../../data/labelled-solution.ts";
import { type Divergence, leadingRightSteps } from "./divergence.ts";

/** A solution ready for the loss. */
export interface LabelledTokens extends SolutionTokens {
  /** One a step. */
  labels: readonly StepLabel[];
  /** Where it leaves a right solution of the same question, if that is known. */
  divergence?: Divergence | undefined;
}

/** Positions, and the chance at each that the answer is yes. */
export interface Answers {
  positions: number[];
  labels: number[];
}

/** Where labelled steps end. */
export function labelledEnds(solutions: readonly LabelledTokens[], length: number): Answers {
  const { positions, values } = inBatch(solutions, length, ({ stepEnds, labels }) =>
    stepEnds.flatMap((end, step) => {
      const label = labels[step];
      return label === undefined ? [] : [{ t: end, value: label }];
    }),
  );
  return { positions, labels: values };
}

/** Tokens within steps, as far as it is known whether all is right up to them. */
export function labelledTokens(solutions: readonly LabelledTokens[], length: number): Answers {
  const { positions, values } = inBatch(solutions, length, (solution) =>
    solution.stepEnds.flatMap((end, step) => {
      const start = solution.stepEnds[step - 1] ?? 0;
      return range(start + 1, end).flatMap((t) => {
        const known = isRightUpTo(solution, step, t);
        return known === undefined ? [] : [{ t, value: Number(known) }];
      });
    }),
  );
  return { positions, labels: values };
}

/** Whether all is right up to token `t`, which stands in step `step`; undefined where nobody knows. */
function isRightUpTo(solution: LabelledTokens, step: number, t: number): boolean | undefined {
  const { labels, divergence } = solution;
  const right = leadingRightSteps(solution);
  if (step < right) return true;
  if (step === right && divergence !== undefined) return t < divergence.at;
  const followsAWrongOne = labels.slice(0, step).includes(0);
  return labels[step] === 0 && followsAWrongOne ? false : undefined;
}

/**
 * Positions that predict a token of a step that is right, and so are all steps before it, or the token that should stand at a
 * divergence; `next` are those tokens. Without `fromEnds` the ends of steps predict nothing: they answer.
 */
export function nextTokens(
  solutions: readonly LabelledTokens[],
  length: number,
  fromEnds: boolean,
): { positions: number[]; next: number[] } {
  const { positions, values } = inBatch(solutions, length, (solution) => {
    const { decoderIds, stepEnds, divergence } = solution;
    const last = divergence?.at ?? stepEnds[leadingRightSteps(solution) - 1] ?? 0;
    const answering = new Set(fromEnds ? [] : stepEnds);
    return range(0, last)
      .filter((t) => !answering.has(t))
      .map((t) => ({ t, value: (t + 1 === divergence?.at ? divergence.token : decoderIds[t + 1]) ?? 0 }));
  });
  return { positions, next: values };
}

/** What positions `t` of each solution teach, side by side: solution `row` begins at row * length. */
function inBatch(
  solutions: readonly LabelledTokens[],
  length: number,
  targetsOf: (solution: LabelledTokens) => { t: number; value: number }[],
): { positions: number[]; values: number[] } {
  const targets = solutions.flatMap((solution, row) =>
    targetsOf(solution).map(({ t, value }) => ({ position: row * length + t, value })),
  );
  return { positions: targets.map(({ position }) => position), values: targets.map(({ value }) => value) };
}

/** The whole numbers of [start, end). */
function range(start: number, end: number): number[] {
  return Array.from({ length: Math.max(0, end - start) }, (_, i) => start + i);
}
