// The report in a real browser: it asks for nothing, says nothing on the console, and fits a phone.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { writeReport } from "../../src/train/evaluate/report/write.ts";
import { evaluationFixture } from "../train/evaluate/report/fixture.ts";
import { noBrowser, openPage, startBrowser } from "./chromium.ts";

describe.skipIf(noBrowser)("the report", () => {
  let dir: string;
  let url: string;
  let browser: Browser;
  let page: Page;

  const onScreen = async (width: number): Promise<Page> =>
    (await openPage(browser, url, { viewport: { width, height: 800 }, isMobile: width < 768 })).page;

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), "report-"));
    const path = join(dir, "report.html");
    await writeReport(path, evaluationFixture());
    url = pathToFileURL(path).href;
    browser = await startBrowser();
    page = await onScreen(1280);
  });
  afterAll(async () => {
    await browser.close();
    await rm(dir, { recursive: true });
  });

  test("the page asks for itself alone, and the browser has nothing to complain of", async () => {
    const fresh = await (await browser.newContext()).newPage();
    const requested: string[] = [];
    const complaints: unknown[] = [];
    fresh.on("request", (request) => requested.push(request.url()));
    fresh.on("console", (message) => complaints.push(message.text()));
    fresh.on("pageerror", (error) => complaints.push(error.message));
    const protocol = await fresh.context().newCDPSession(fresh);
    protocol.on("Audits.issueAdded", ({ issue }) => complaints.push(issue.code));
    protocol.on("Log.entryAdded", ({ entry }) => complaints.push(entry.text));
    await protocol.send("Audits.enable");
    await protocol.send("Log.enable");
    await fresh.goto(url);
    expect(requested.filter((address) => !address.startsWith("data:"))).toEqual([url]);
    expect(complaints).toEqual([]);
  });

  test("text from the data stays text: no script, image or handler of it is in the document", async () => {
    expect(await page.locator("script, img, iframe, [onerror]").count()).toBe(0);
    expect(await page.locator("#sample-2 .prompt").first().textContent()).toContain("<script>alert");
  });

  test("it says how to ask the same models in the playground", async () => {
    const command = await page.locator("#samples pre").first().textContent();
    expect(command).toMatch(/^npm run playground -- --model \S+ --baseline \S+$/);
  });

  test.each([375, 320, 768, 1280])("nothing sticks out at %i px, all details open", async (width) => {
    const screen = await onScreen(width);
    await screen.evaluate("for (const each of document.querySelectorAll('details')) each.open = true");
    const [content, room] = ["scrollWidth", "clientWidth"].map((name) =>
      screen.evaluate(`document.documentElement.${name}`),
    );
    expect(await content).toBe(await room);
    expect(await room).toBe(width);
  });

  test("on a phone the narrow pictures are shown, and letters keep their size", async () => {
    const phone = await onScreen(375);
    const scales = await phone.evaluate(
      "[...document.querySelectorAll('svg')].filter((svg) => svg.clientWidth > 0).map((svg) => svg.clientWidth / svg.viewBox.baseVal.width)",
    );
    expect(scales).toSatisfy(
      (all: unknown) => Array.isArray(all) && all.length > 10 && all.every((scale) => scale > 0.95),
    );
  });

  test("every picture, table and scrolling part has a name for screen readers", async () => {
    const protocol = await page.context().newCDPSession(page);
    const { nodes } = await protocol.send("Accessibility.getFullAXTree");
    const roles = ["image", "table", "region"];
    const seen = nodes.filter(({ ignored, role }) => !ignored && roles.includes(String(role?.value)));
    expect(seen.length).toBeGreaterThan(20);
    expect(seen.filter(({ name }) => !name?.value)).toEqual([]);
  });

  test("the colours follow the reader's scheme, and paper is always light", async () => {
    const paper = (): Promise<unknown> => page.evaluate("getComputedStyle(document.body).backgroundColor");
    await page.emulateMedia({ colorScheme: "light" });
    expect(await paper()).toBe("rgb(253, 252, 250)");
    await page.emulateMedia({ colorScheme: "dark" });
    expect(await paper()).toBe("rgb(21, 24, 28)");
    await page.emulateMedia({ media: "print", colorScheme: "dark" });
    expect(await paper()).toBe("rgb(255, 255, 255)");
  });
});
