// What a command prints when it fails: one line where a person can mend it, the stack where only a programmer can.

import { mkdir } from "node:fs/promises";
import { expect, test } from "vitest";
import { failureLine } from "../../scripts/cli.ts";
import { InputError } from "../../src/shared/errors.ts";

test("an error thrown on purpose is its message", () => {
  const error = new InputError({ code: "x", what: "it is wrong", where: "file.json", fix: "Mend it." });
  expect(failureLine(error)).toBe("error: it is wrong (file.json). Mend it.");
});

test("a refusal of the file system names the path and what to check", async () => {
  const file = import.meta.filename;
  const error: unknown = await mkdir(file).catch((cause: unknown) => cause);
  expect(failureLine(error)).toBe(
    `error: EEXIST: file already exists, mkdir '${file}'. Check the path, and that you may read and write there.`,
  );
});

test("a fault of the program keeps its stack", () => {
  expect(failureLine(new TypeError("x is not a function"))).toBeUndefined();
});
