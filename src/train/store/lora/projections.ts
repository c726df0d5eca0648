// Which projections of a T5 an adapter can be put on: every matrix of its blocks, named by the last part of its name.

import { InputError } from "../../../shared/errors.ts";
import type { T5Config } from "../../../shared/t5-config.ts";
import { parameterSpecs } from "../../model/parameters.ts";

/** A projection that can be adapted: its name without ".weight", and its widths. */
export interface Projection {
  name: string;
  /** Last part of the name: q, k, v, o, wi, wi_0, wi_1 or wo. */
  target: string;
  inputs: number;
  outputs: number;
}

/** All projections of a T5's blocks, in the order of the forward pass. */
export function projections(config: T5Config): Projection[] {
  return parameterSpecs(config, false).flatMap(({ name, shape, transposed }) => {
    const [outputs, inputs] = shape;
    if (!transposed || outputs === undefined || inputs === undefined) return [];
    const projection = name.slice(0, -".weight".length);
    return [{ name: projection, target: projection.slice(projection.lastIndexOf(".") + 1), inputs, outputs }];
  });
}

/** The projections with these targets. Throws InputError for a target that this T5 does not have. */
export function targetProjections(config: T5Config, targets: readonly string[]): Projection[] {
  const all = projections(config);
  const known = [...new Set(all.map(({ target }) => target))];
  const unknown = targets.find((target) => !known.includes(target));
  if (unknown !== undefined || targets.length === 0) {
    throw new InputError({
      code: "bad_target",
      what: unknown === undefined ? "no target was given" : `this model has no projection "${unknown}"`,
      where: "--target",
      fix: `Give some of ${known.join(", ")}.`,
    });
  }
  return all.filter(({ target }) => targets.includes(target));
}
