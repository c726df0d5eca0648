// What goes wrong in daily use: each is shown with its way out, and nothing that was written is lost.

import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { LocalWorker } from "../../../src/infer/local-worker.ts";
import { noBrowser, openPage, startBrowser } from "../chromium.ts";
import { cutAfterSteps } from "./cut-stream.ts";
import { startPlayground } from "./stage.ts";

const KEY = "open-sesame-1";

describe.skipIf(noBrowser)("failures", () => {
  let worker: LocalWorker;
  let browser: Browser;
  let page: Page;

  beforeAll(async () => {
    worker = await startPlayground({ env: { STEPWISE_API_KEY: KEY, REQUESTS_PER_MINUTE: "6" } });
    browser = await startBrowser();
    ({ page } = await openPage(browser, worker.url));
  });
  afterAll(async () => {
    await browser?.close();
    await worker?.stop();
  });

  const problem = (kind: string) => page.locator(`.problem[data-kind=${kind}]`);
  const generate = () => page.getByRole("button", { name: "Generate", exact: true }).click();
  const untilDone = () => page.getByRole("button", { name: "Stop" }).and(page.locator(":disabled")).waitFor();
  const steps = () => page.locator(".steps > li").count();
  const setKey = async (key: string) => {
    await page.getByLabel("API key").fill(key);
    await page.getByLabel("API key").press("Tab");
  };

  test("no key, then a wrong one: it is asked for, the right one goes on; it is kept nowhere", async () => {
    await problem("key").waitFor();
    expect(await problem("key").textContent()).toContain("Enter the key at the top");
    await setKey("not-the-key");
    await generate();
    await expect.poll(() => problem("key").count()).toBe(2);
    await setKey(KEY);
    await page.locator(".problem[data-kind=key]").last().getByRole("button", { name: "Try again" }).click();
    await page.locator(".speed").waitFor();
    await untilDone();
    expect(await steps()).toBeGreaterThan(1);
    await page.waitForTimeout(500);
    const kept = await page.evaluate(
      "location.href + JSON.stringify(localStorage) + JSON.stringify(sessionStorage) + document.cookie",
    );
    expect(kept).not.toContain(KEY);
  });

  test("a stream that is stopped keeps its steps, and goes on from one of them", async () => {
    const many = page.getByLabel("Most tokens");
    // a slow connection, so that there is time to stop it on a fast machine
    const connection = await page.context().newCDPSession(page);
    const setSpeed = (downloadThroughput: number) =>
      connection.send("Network.emulateNetworkConditions", {
        offline: false,
        latency: 0,
        downloadThroughput,
        uploadThroughput: -1,
      });
    await setSpeed(2_000);
    await generate();
    await page.locator(".steps > li").nth(1).waitFor();
    await page.getByRole("button", { name: "Stop" }).click();
    await problem("stopped").waitFor();
    await setSpeed(-1);
    await connection.detach();
    const kept = await steps();
    expect(kept).toBeGreaterThan(0);
    await many.fill("60");
    const first = await page.locator(".steps > li .step-text").first().textContent();
    await page.getByRole("button", { name: "Continue from step 1" }).click();
    await untilDone();
    expect(await page.locator(".steps > li .step-text").first().textContent()).toBe(first);
    expect(await problem("stopped").count()).toBe(0);
  });

  test("too many requests: the minute is waited for, what was written stays", async () => {
    const before = await page.locator(".steps").textContent();
    // the minute's six are used up by editing and scoring again
    for (let asked = 0; asked < 8 && (await problem("rate").count()) === 0; asked++) {
      await page.getByRole("button", { name: "Edit step 1" }).click();
      await page.getByRole("button", { name: "Score again" }).click();
      await page.waitForTimeout(400);
    }
    expect(await problem("rate").textContent()).toMatch(/Try again in \d+ s/);
    expect(
      await problem("rate")
        .getByRole("button", { name: /Try again/ })
        .isDisabled(),
    ).toBe(true);
    expect(before?.length).toBeGreaterThan(0);
    expect(await steps()).toBeGreaterThan(0);
  });

  test("a worker that is lost in the middle of a stream: the steps stay, and the way on is offered", async () => {
    const own = await startPlayground();
    const broken = await cutAfterSteps(own.url, 3);
    const { page: other } = await openPage(browser, broken.url);
    await other.getByRole("button", { name: "Generate", exact: true }).click();
    const lost = other.locator(".problem[data-kind=lost]");
    await lost.waitFor();
    expect(await lost.textContent()).toContain("What was written stays");
    expect(await other.locator(".steps > li").count()).toBeGreaterThan(1);
    // the steps that were whole have their scores already, while others had none
    expect(await other.locator(".steps .score").first().textContent()).toMatch(/^step 1: \d\.\d\d$/);
    await lost.getByRole("button", { name: /Continue from step/ }).waitFor();
    // asked again, it says the same, and still keeps the steps before
    const kept = await other.locator(".steps > li").count();
    await lost.getByRole("button", { name: /Continue from step/ }).click();
    await other.getByText("the worker does not answer").waitFor();
    expect(await other.locator(".steps > li").count()).toBe(kept - 1);
    await other.context().close();
    broken.close();
    await own.stop();
  });
});
