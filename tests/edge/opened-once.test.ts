// One opening for all who ask, and what happens when it fails or its opener is cut off.

import { expect, test } from "vitest";
import { createOpenedOnce } from "../../src/edge/engine/opened-once.ts";

const tick = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

test("all who ask get what the first one opened", async () => {
  let opened = 0;
  const models = createOpenedOnce(
    async () => {
      await tick(30);
      return { number: ++opened };
    },
    { retryMs: 1000, leaseMs: 1000 },
  );
  const all = await Promise.all([models.get(), models.get(), models.get()]);
  expect(all.map(({ number }) => number)).toEqual([1, 1, 1]);
  expect((await models.get()).number).toBe(1);
});

test("a failure is told to all for a while, then it is tried again", async () => {
  let tries = 0;
  const models = createOpenedOnce(
    async () => {
      if (++tries === 1) throw new Error("damaged");
      return "mended";
    },
    { retryMs: 40, leaseMs: 1000 },
  );
  await expect(models.get()).rejects.toThrow("damaged");
  await expect(models.get()).rejects.toThrow("damaged");
  expect(tries).toBe(1);
  await tick(60);
  expect(await models.get()).toBe("mended");
});

test("an opener that is never heard of again does not keep the others waiting", async () => {
  let tries = 0;
  const models = createOpenedOnce(
    () => (++tries === 1 ? new Promise<string>(() => undefined) : Promise.resolve("open")),
    {
      retryMs: 1000,
      leaseMs: 50,
    },
  );
  void models.get();
  expect(await models.get()).toBe("open");
  expect(tries).toBe(2);
});
