// Figures that are sums by name: micro-batches, processes and steps just add up, and a checkpoint keeps what was summed so far.

import { z } from "zod";

/** Sums under such names: none of anything, how two add, and what parses them. */
export function sumsOf<const Names extends readonly [string, ...string[]]>(names: Names) {
  type Sums = Record<Names[number], number>;
  const schema: z.ZodType<Sums> = z.record(z.enum(names), z.number());
  const none = schema.parse(Object.fromEntries(names.map((name) => [name, 0])));
  const add = (a: Sums, b: Sums): Sums => {
    const total = { ...a };
    for (const name of names) total[name as Names[number]] += b[name as Names[number]];
    return total;
  };
  return { schema, none, add };
}
