// A record that cannot be used: dropped and counted by its code, while the rest of the file goes on.

import type { z } from "zod";
import { InputError } from "../../shared/errors.ts";

/** The error for one record: `code` is the reason that counts are kept by, `what` the sentence for a person. */
export function badRecord(code: string, what: string): InputError {
  return new InputError({ code, what });
}

/** Parses one record's value; throws InputError with code `bad_field` naming the first wrong field. */
export function parseRecord<T>(schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw badRecord("bad_field", `field "${issue?.path.join(".") ?? ""}": ${issue?.message ?? "invalid"}`);
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
