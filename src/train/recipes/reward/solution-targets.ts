// What the tokens of labelled solutions teach, as positions in the flat [C*T] of a batch: the answer at the end of each labelled step,
// the next token as far as the solution is right, and, where it is known which token of a wrong step is the wrong one, an answer at every
// token: is all right up to here?

import type { SolutionTokens } from "../../../shared/process-reward.ts";
import type { StepLabel } from "../../data/labelled-solution.ts";
import { type Divergence, rightSteps } from "./divergence.ts";

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
  const positions: number[] = [];
  const labels: number[] = [];
  solutions.forEach((solution, row) => {
    solution.labels.forEach((label, step) => {
      const end = solution.stepEnds[step];
      if (label === undefined || end === undefined) return;
      positions.push(row * length + end);
      labels.push(label);
    });
  });
  return { positions, labels };
}

/**
 * Tokens within steps. Of right steps, up to the first that is not, all are right so far. Of the first wrong step that is known where its
 * divergence is; from there on, and in wrong steps behind a wrong one, all is wrong.
 */
export function labelledTokens(solutions: readonly LabelledTokens[], length: number): Answers {
  const positions: number[] = [];
  const labels: number[] = [];
  solutions.forEach((solution, row) => {
    const right = rightSteps(solution);
    solution.stepEnds.forEach((end, step) => {
      const label = solution.labels[step];
      const start = step === 0 ? 0 : (solution.stepEnds[step - 1] ?? 0);
      for (let t = start + 1; t < end; t++) {
        const known =
          step < right
            ? 1
            : step === right && solution.divergence !== undefined
              ? Number(t < solution.divergence.at)
              : label === 0 && solution.labels.slice(0, step).includes(0)
                ? 0
                : undefined;
        if (known === undefined) continue;
        positions.push(row * length + t);
        labels.push(known);
      }
    });
  });
  return { positions, labels };
}

/**
 * Positions that predict a token of a step that is right, and so are all steps before it, or the token that ought to stand at a
 * divergence; `next` are those tokens. Without `fromEnds` the ends of steps predict nothing: they answer.
 */
export function nextTokens(
  solutions: readonly LabelledTokens[],
  length: number,
  fromEnds: boolean,
): { positions: number[]; next: number[] } {
  const positions: number[] = [];
  const next: number[] = [];
  solutions.forEach((solution, row) => {
    const { decoderIds, stepEnds, divergence } = solution;
    const right = rightSteps(solution);
    const end = right === 0 ? 0 : (stepEnds[right - 1] ?? 0);
    const ends = new Set(fromEnds ? [] : stepEnds);
    for (let t = 0; t < (divergence?.at ?? end); t++) {
      if (ends.has(t)) continue;
      positions.push(row * length + t);
      next.push((t + 1 === divergence?.at ? divergence.token : decoderIds[t + 1]) ?? 0);
    }
  });
  return { positions, next };
}
