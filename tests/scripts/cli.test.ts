// What a command prints when it fails: one line where a person can mend it, the stack where only a programmer can.

import { mkdir } from "node:fs/promises";
import { afterEach, expect, test, vi } from "vitest";
import { failureLine, reportFailure } from "../../scripts/cli.ts";
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

afterEach(() => {
  process.exitCode = undefined;
  vi.restoreAllMocks();
});

test.each([
  ["run_finished", 0],
  ["interrupted", 130],
  ["bad_setting", 1],
])("%s ends with exit code %d", (code, exitCode) => {
  const out = vi.spyOn(console, "log").mockImplementation(() => {});
  const err = vi.spyOn(console, "error").mockImplementation(() => {});
  reportFailure(new InputError({ code, what: "so it is" }));
  expect(process.exitCode).toBe(exitCode);
  expect([...out.mock.calls, ...err.mock.calls]).toEqual([
    [code === "run_finished" ? "so it is." : "error: so it is."],
  ]);
});
