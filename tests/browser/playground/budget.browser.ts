// What the page costs before a model runs in it, whom it moves under, and that a keyboard is enough. Written beside: the pictures of the
// README (PLAYGROUND_PICTURES=1).

import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type LocalWorker, PROJECT_ROOT } from "../../../src/infer/local-worker.ts";
import { noBrowser, openPage, startBrowser } from "../chromium.ts";
import { startPlayground } from "./stage.ts";

const MAX_SCRIPT_GZIP = 90_000;

describe.skipIf(noBrowser)("budget", () => {
  let worker: LocalWorker;
  let browser: Browser;

  beforeAll(async () => {
    worker = await startPlayground();
    browser = await startBrowser();
  });
  afterAll(async () => {
    await browser?.close();
    await worker?.stop();
  });

  test("the first view is painted without a model, in at most 90 KB of gzipped script, and nothing moves", async () => {
    const { page, context } = await openPage(browser, "about:blank");
    const bodies: { url: string; type: string; body: Promise<Buffer> }[] = [];
    page.on("response", (response) => {
      bodies.push({ url: response.url(), type: response.request().resourceType(), body: response.body() });
    });
    await page.addInitScript(`
      window.moved = 0;
      new PerformanceObserver((list) => { for (const each of list.getEntries()) window.moved += each.value; }).observe({ type: "layout-shift", buffered: true });
    `);
    await page.goto(worker.url);
    await page.getByRole("button", { name: "Generate", exact: true }).waitFor();
    await page.waitForTimeout(1500);
    const { gzipSync } = await import("node:zlib");
    const scripts = bodies.filter(({ type }) => type === "script");
    const bytes = (await Promise.all(scripts.map(async ({ body }) => gzipSync(await body).length))).reduce(
      (a, b) => a + b,
      0,
    );
    expect(bytes).toBeGreaterThan(5_000);
    expect(bytes).toBeLessThan(MAX_SCRIPT_GZIP);
    expect(bodies.map(({ url }) => url).filter((url) => /ort|thread|models/.test(url))).toEqual([]);
    expect(new Set(bodies.map(({ url }) => new URL(url).origin))).toEqual(new Set([worker.url]));
    const painted = await page.evaluate("performance.getEntriesByName('first-contentful-paint')[0]?.startTime");
    expect(painted).toBeGreaterThan(0);
    expect(await page.evaluate("window.moved")).toBeLessThan(0.01);
    await context.close();
  });

  test("a keyboard is enough: from the top of the page to an answer, its tokens and another view", async () => {
    const { page, context } = await openPage(browser, worker.url);
    const focused = () =>
      page.evaluate<string>("document.activeElement.textContent.slice(0, 40) + (document.activeElement.id || '')");
    const tabTo = async (wanted: RegExp) => {
      for (let at = 0; at < 40; at++) {
        await page.keyboard.press("Tab");
        if (wanted.test(await focused())) return;
      }
      throw new Error(`${wanted} cannot be reached`);
    };
    await tabTo(/^Compare/);
    await page.keyboard.press("Enter");
    await page.getByRole("group", { name: "rejected" }).waitFor();
    await page.keyboard.press("Shift+Tab");
    await page.keyboard.press("Enter");
    await tabTo(/^Generate/);
    await page.keyboard.press("Enter");
    await page.locator(".speed").waitFor();
    await page.getByRole("button", { name: "Stop" }).and(page.locator(":disabled")).waitFor();
    await tabTo(/^Ella has/);
    await page.keyboard.press("ArrowRight");
    await page.keyboard.press("ArrowRight");
    expect(await page.locator(".token.shown").count()).toBe(1);
    expect(await page.locator(".token-panel").textContent()).toMatch(/log-prob -?\d\.\d{3}/);
    await page.keyboard.press("Tab");
    expect(await focused()).toBe("Edit");
    await page.keyboard.press("Enter");
    expect(await page.evaluate("document.activeElement.getAttribute('aria-label')")).toBe("Step 1");
    await page.keyboard.press("Escape");
    expect(await page.getByRole("textbox", { name: "Step 1" }).count()).toBe(0);
    await context.close();
  });

  test("who wants less motion gets none", async () => {
    const { page, context } = await openPage(browser, worker.url, { reducedMotion: "reduce" });
    await page.getByRole("button", { name: "Generate", exact: true }).click();
    await page.locator(".steps > li").first().waitFor();
    expect(await page.evaluate("document.getAnimations().length")).toBe(0);
    expect(
      await page
        .locator(".steps > li")
        .first()
        .evaluate((item) => getComputedStyle(item).animationName),
    ).toBe("none");
    await context.close();
  });

  test.each([390, 1280])("nothing sticks out at %i px, in any view", async (width) => {
    const { page, context } = await openPage(browser, worker.url, { viewport: { width, height: 844 } });
    const pictures = join(PROJECT_ROOT, "docs/images");
    const picture = async (name: string) => {
      const [content, room] = [
        await page.evaluate("document.documentElement.scrollWidth"),
        await page.evaluate("document.documentElement.clientWidth"),
      ];
      expect(content).toBe(room);
      if (process.env.PLAYGROUND_PICTURES !== "1" || name === "developers") return;
      await mkdir(pictures, { recursive: true });
      await page.screenshot({
        path: join(pictures, `playground-${name}-${width}.jpg`),
        type: "jpeg",
        quality: 70,
        fullPage: true,
      });
    };
    await page.getByRole("button", { name: "Six steps" }).click();
    await page.getByRole("button", { name: "Generate", exact: true }).click();
    await page.locator(".speed").waitFor();
    await page.getByRole("button", { name: "Stop" }).and(page.locator(":disabled")).waitFor();
    await page.locator(".token").nth(4).hover();
    await picture("ask");
    await page.goto(`${worker.url}/#compare`);
    await page.locator("input[type=file]").setInputFiles(join(PROJECT_ROOT, "data/dpo/eval.jsonl"));
    await page.getByText("by a margin of").first().waitFor();
    await picture("compare");
    await page.goto(`${worker.url}/#best-of`);
    await page.getByLabel("Way").selectOption("step_beam");
    await page.getByLabel("Temperature").fill("1.8");
    await page.getByRole("button", { name: "Search", exact: true }).click();
    await page.locator("#tree", { hasText: "The search" }).waitFor();
    await picture("search");
    await page.goto(`${worker.url}/#developers`);
    await page.getByText("The models").waitFor();
    await picture("developers");
    await context.close();
  });
});
