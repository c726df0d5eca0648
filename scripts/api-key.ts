// The key of an API from an environment variable, so that it stands in no history of commands.

import { InputError } from "../src/shared/errors.ts";

/** The variable's value. Throws InputError where it is not set: without it the requests would go out with no key at all. */
export function keyOf(
  variable: string,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): string {
  const key = environment[variable];
  if (key !== undefined && key !== "") return key;
  throw new InputError({
    code: "no_api_key",
    what: `the environment variable ${variable} is not set`,
    where: "--api-key-env",
    fix: `Set it: ${variable}=... before the command.`,
  });
}
