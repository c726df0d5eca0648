import getPort from "get-port";
import { expect, test } from "vitest";
import { keyOf } from "../../scripts/api-key.ts";
import { failureLine } from "../../scripts/cli.ts";
import { openFleet } from "../../src/infer/fleet.ts";

test("a variable that is not set, or empty, is refused by name", () => {
  expect(keyOf("KEY", { KEY: "abc" })).toBe("abc");
  for (const environment of [{}, { KEY: "" }])
    expect(() => keyOf("KEY", environment)).toThrow(/variable KEY is not set \(--api-key-env\)/);
});

test("workers that do not answer are an error of one line", async () => {
  const url = `http://127.0.0.1:${await getPort()}`;
  const error: unknown = await openFleet([url], { retries: 0, minPauseMs: 1 }).catch((cause: unknown) => cause);
  expect(failureLine(error)).toMatch(
    /^error: the worker does not answer: no connection: .*ECONNREFUSED.*--endpoint http:.*Start it/,
  );
});
