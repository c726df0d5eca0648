// The engine calls a request's fields by its own names; a caller reads those of the API that was spoken to.

import { InputError } from "../../shared/errors.ts";

/** Caller's names by the engine's. */
export type FieldNames = Readonly<Record<string, string>>;

/** Does the work; an InputError that it ends with names its field as the caller does. */
export async function namingFields<T>(names: FieldNames, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw renamed(error, names);
  }
}

function renamed(error: unknown, names: FieldNames): unknown {
  if (!(error instanceof InputError)) return error;
  const [, field = "", rest = ""] = /^field "(\w+)(.*)"$/.exec(error.where ?? "") ?? [];
  if (!Object.hasOwn(names, field)) return error;
  const { code, what, fix } = error;
  return new InputError({ code, what, where: `field "${names[field]}${rest}"`, fix, cause: error });
}
