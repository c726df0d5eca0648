import { describe, expect, test } from "vitest";
import { createQueue } from "../../src/edge/engine/queue.ts";
import { endOfStop } from "../../src/edge/engine/stop.ts";
import { CapacityError } from "../../src/shared/errors.ts";

describe("stop strings", () => {
  test("the one that ends first counts, wherever tokens are cut", () => {
    expect(endOfStop("3 + 4 = 7\nSo", ["So", "\n"])).toBe(10);
    expect(endOfStop("abc", ["bc", "b"])).toBe(2);
  });
  test("none, or an empty one, never ends a text", () => {
    expect(endOfStop("abc", ["x", ""])).toBeUndefined();
  });
});

describe("queue", () => {
  const tick = () => new Promise((resolve) => setTimeout(resolve, 5));

  test("runs one task at a time, in order of arrival", async () => {
    const queue = createQueue({ maxWaiting: 5, leaseMs: 10_000 });
    const events: string[] = [];
    const task = (name: string) =>
      queue.run(async () => {
        events.push(`${name} in`);
        await tick();
        events.push(`${name} out`);
      });
    await Promise.all([task("a"), task("b"), task("c")]);
    expect(events).toEqual(["a in", "a out", "b in", "b out", "c in", "c out"]);
  });

  test("refuses a request when the line is full, and takes the next one later", async () => {
    const queue = createQueue({ maxWaiting: 1, leaseMs: 10_000 });
    const running = [queue.run(tick), queue.run(tick)];
    await expect(queue.run(tick)).rejects.toThrow(CapacityError);
    await Promise.all(running);
    expect(queue.length).toBe(0);
    await expect(queue.run(async () => 1)).resolves.toBe(1);
  });

  test("a task that fails does not hold up the next", async () => {
    const queue = createQueue({ maxWaiting: 5, leaseMs: 10_000 });
    const failing = queue.run(() => Promise.reject(new Error("no")));
    const next = queue.run(async () => 2);
    await expect(failing).rejects.toThrow("no");
    await expect(next).resolves.toBe(2);
  });

  test("a task that never ends gives its place up after the lease", async () => {
    const queue = createQueue({ maxWaiting: 0, leaseMs: 30 });
    queue.run(() => new Promise(() => undefined)).catch(() => undefined);
    await expect(queue.run(tick)).rejects.toThrow(CapacityError);
    await new Promise((resolve) => setTimeout(resolve, 60));
    await expect(queue.run(async () => 3)).resolves.toBe(3);
  });
});
