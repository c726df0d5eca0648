// Request bodies: bounded in bytes, in time and in number, whoever sends them.

import { describe, expect, test, vi } from "vitest";
import { appOn, fakeEngine } from "./fake-engine.ts";

describe("bodies", () => {
  test("an unknown key of a megabyte is not echoed", async () => {
    const { status, text } = await appOn(fakeEngine()).call("/generate", { prompt: "x", ["k".repeat(1_000_000)]: 1 });
    expect(status).toBe(422);
    expect(text.length).toBeLessThan(400);
  });

  test("a body that breaks off is a caller who has gone, and no fault of the worker", async () => {
    const { app, logs } = appOn(fakeEngine());
    const body = new ReadableStream({ pull: (controller) => controller.error(new Error("connection lost")) });
    const init = { method: "POST", body, duplex: "half" };
    expect((await app.request("/generate", init)).status).toBe(499);
    expect(logs.map((line): unknown => JSON.parse(line))).toMatchObject([{ level: "info", status: 499 }]);
  });

  test("one that is not whole after 15 s is a 408, and read no further", async () => {
    vi.useFakeTimers();
    try {
      const { app } = appOn(fakeEngine());
      let isCancelled = false;
      const half = new ReadableStream({
        start: (controller) => controller.enqueue(new TextEncoder().encode('{"prompt":')),
        cancel: () => {
          isCancelled = true;
        },
      });
      const init = { method: "POST", body: half, duplex: "half" };
      const answer = Promise.resolve(app.request("/generate", init));
      await vi.advanceTimersByTimeAsync(14_999);
      expect(isCancelled).toBe(false);
      await vi.advanceTimersByTimeAsync(1);
      const response = await answer;
      expect([response.status, await response.json()]).toEqual([
        408,
        { error: "the body did not arrive within 15 s.", error_type: "timeout" },
      ]);
      expect(isCancelled).toBe(true);
    } finally {
      vi.useRealTimers();
    }
  });

  test("16 MiB of bodies are held at a time, and given back", async () => {
    const { app, call } = appOn(fakeEngine(), { MAX_BODY_BYTES: String(2 ** 25) });
    const half = () => {
      let end: () => void = () => undefined;
      let tell: () => void = () => undefined;
      const isRead = new Promise<void>((resolve) => {
        tell = resolve;
      });
      const body = new ReadableStream({
        start(controller) {
          for (let i = 0; i < 9; i++) controller.enqueue(new Uint8Array(2 ** 20));
          end = () => controller.error(new Error("gone"));
        },
        // asked for more: what there was has been read
        pull: () => tell(),
      });
      const init = { method: "POST", body, duplex: "half" };
      return { answer: Promise.resolve(app.request("/generate", init)), isRead, end };
    };
    const first = half();
    await first.isRead;
    const second = await half().answer;
    expect([second.status, second.headers.get("retry-after")]).toEqual([503, "1"]);
    first.end();
    expect((await first.answer).status).toBe(499);
    expect((await call("/generate", { prompt: "x" })).status).toBe(200);
    const third = half();
    await third.isRead;
    expect((await half().answer).status).toBe(503);
    third.end();
    await third.answer;
  });

  test("only so many bodies may arrive at a time", async () => {
    const { app, call } = appOn(fakeEngine());
    const controllers: ReadableStreamDefaultController[] = [];
    const slow = Array.from({ length: 64 }, () => {
      const body = new ReadableStream({ start: (controller) => void controllers.push(controller) });
      const init = { method: "POST", body, duplex: "half" };
      return app.request("/generate", init);
    });
    await expect.poll(() => controllers.length).toBe(64);
    expect(await call("/generate", { prompt: "x" })).toMatchObject({ status: 503, json: { error_type: "overloaded" } });
    for (const controller of controllers) controller.error(new Error("gone"));
    await Promise.all(slow);
    expect((await call("/generate", { prompt: "x" })).status).toBe(200);
  });
});
