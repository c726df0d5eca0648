// GET /docs as a person sees it: Swagger UI shows every endpoint of /openapi.json, and the page's own policy stops nothing that it needs.

import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import type { LocalWorker } from "../../src/infer/local-worker.ts";
import { noBrowser, openPage, startBrowser } from "./chromium.ts";
import { startPlayground } from "./playground/stage.ts";

const KEY = "correct-horse";
const documentSchema = z.object({ paths: z.record(z.string(), z.unknown()) });

describe.skipIf(noBrowser)("the API's page", () => {
  let worker: LocalWorker;
  let browser: Browser;
  beforeAll(async () => {
    worker = await startPlayground({ env: { STEPWISE_API_KEY: KEY } });
    browser = await startBrowser();
  });
  afterAll(async () => {
    await browser?.close();
    await worker?.stop();
  });

  test("asks for the key where there is one, then lists every endpoint", async () => {
    const headers = { authorization: `Bearer ${KEY}` };
    const document = documentSchema.parse(await (await fetch(`${worker.url}/openapi.json`, { headers })).json());
    const { page, complaints } = await openPage(browser, `${worker.url}/docs`);
    await page.fill("input[name=key]", "wrong-horse");
    await page.click("button[type=submit]");
    await page.waitForFunction("document.getElementById('said').textContent !== ''");
    await page.fill("input[name=key]", KEY);
    await page.click("button[type=submit]");
    await page.waitForSelector(".opblock-summary-path");
    const shown = await page.$$eval(".opblock-summary-path", (places) =>
      places.map((place) => place.textContent ?? ""),
    );
    // long paths are broken with invisible spaces
    const paths = shown.map((path) => path.replace(/\u200b/g, "").trim());
    expect([...new Set(paths)].sort()).toEqual(Object.keys(document.paths).sort());
    // the browser itself tells of the two answers without a key
    expect(complaints.filter((complaint) => !complaint.includes("401"))).toEqual([]);
    await page.close();
  });
});
