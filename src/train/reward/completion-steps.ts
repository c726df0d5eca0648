// The steps of a completion that is scored.

import { InputError } from "../../shared/errors.ts";
import { type Step, splitSteps } from "../../shared/steps.ts";

/** Steps of completion number `index` of a request. Throws InputError where it has none. */
export function completionSteps(completion: string, index: number): Step[] {
  const steps = splitSteps(completion);
  if (steps.length > 0) return steps;
  throw new InputError({
    code: "no_steps",
    what: "a completion has no steps",
    where: `completion ${index}`,
    fix: "Write one step a line.",
  });
}
