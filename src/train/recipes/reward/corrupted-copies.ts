// Right solutions with some tokens exchanged, for the comparison to see mistakes of all kinds often. A token is exchanged for one that
// follows the same token elsewhere in the data, so that a digit mostly becomes a digit. Nothing is known of the steps of a copy: no
// label is claimed.

import type { Rng } from "../../../shared/rng.ts";
import { leadingRightSteps } from "./divergence.ts";
import type { LabelledTokens } from "./solution-targets.ts";

/** Tokens by the token that they follow, as often as they do. */
export type Followers = ReadonlyMap<number, readonly number[]>;

/** Solutions that followers are collected from: enough for the frequent ones. */
const COLLECTED = 2000;

/** The followers in the data. */
export function followersIn(solutions: readonly LabelledTokens[]): Followers {
  const followers = new Map<number, number[]>();
  for (const { decoderIds } of solutions.slice(0, COLLECTED)) {
    decoderIds.forEach((id, t) => {
      const before = decoderIds[t - 1];
      if (before === undefined) return;
      const known = followers.get(before);
      if (known === undefined) followers.set(before, [id]);
      else known.push(id);
    });
  }
  return followers;
}

/** Share of the tokens of a copy that are drawn anew. */
const EXCHANGED = 0.15;

/** Copies of at most `count` of the solutions that are right throughout. */
export function corruptedCopies(
  solutions: readonly LabelledTokens[],
  count: number,
  followers: Followers,
  rng: Rng,
): LabelledTokens[] {
  const right = solutions.filter((solution) => leadingRightSteps(solution) === solution.labels.length);
  return right.slice(0, count).map(({ promptIds, decoderIds, stepEnds, labels }) => {
    const exchanged = [...decoderIds];
    for (let t = 1; t < exchanged.length - 1; t++) {
      const choice = rng.next() < EXCHANGED ? followers.get(exchanged[t - 1] ?? 0) : undefined;
      if (choice !== undefined && choice.length > 0) exchanged[t] = rng.pick(choice);
    }
    return { promptIds, decoderIds: exchanged, stepEnds, labels: labels.map(() => undefined) };
  });
}
