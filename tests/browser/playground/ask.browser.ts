// Ask, as a person uses it.

import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import type { LocalWorker } from "../../../src/infer/local-worker.ts";
import { axeViolations, noBrowser, openPage, startBrowser, startPlayground } from "./stage.ts";

const PROMPT = "Mia has 12 apples. Then she gets 7 apples from Tom. How many apples does Mia have now?";
const answerShape = z.object({
  generated_text: z.string(),
  steps: z.array(z.object({ text: z.string(), score: z.number() })),
  score: z.number(),
});

describe.skipIf(noBrowser)("Ask", () => {
  let worker: LocalWorker;
  let browser: Browser;
  let page: Page;
  let complaints: string[];

  beforeAll(async () => {
    worker = await startPlayground();
    browser = await startBrowser();
    ({ page, complaints } = await openPage(browser, worker.url));
  });
  afterAll(async () => {
    await browser?.close();
    await worker?.stop();
  });

  const steps = () => page.locator(".steps > li");
  const written = async () => {
    await page.locator(".speed").waitFor();
    await page.getByRole("button", { name: "Stop" }).and(page.locator(":disabled")).waitFor();
    return Promise.all(
      (await steps().all()).map(async (step) => (await step.locator(".step-text").textContent()) ?? ""),
    );
  };

  test("the steps that are shown, their scores and their aggregate are those of the API", async () => {
    const body = { inputs: PROMPT, parameters: { max_new_tokens: 160, score_steps: true } };
    const response = await fetch(`${worker.url}/generate`, { method: "POST", body: JSON.stringify(body) });
    const expected = answerShape.parse(await response.json());
    await page.getByLabel("Question").fill(PROMPT);
    await page.getByRole("button", { name: "Generate", exact: true }).click();
    expect(await written()).toEqual(expected.steps.map(({ text }) => text));
    const scores = await page.locator(".steps .score").allTextContents();
    expect(scores.map((text) => text.match(/\d\.\d\d$/)?.[0])).toEqual(
      expected.steps.map(({ score }) => score.toFixed(2)),
    );
    expect(await page.locator(".score.large").textContent()).toContain(expected.score.toFixed(2));
  });

  test("another aggregation is computed here, without asking again", async () => {
    const asked: string[] = [];
    page.on("request", (request) => asked.push(request.url()));
    await page.getByLabel("Aggregate").selectOption("min");
    const scores = (await page.locator(".steps .score").allTextContents()).map((text) =>
      Number(text.match(/\d\.\d\d$/)?.[0]),
    );
    expect(await page.locator(".score.large").textContent()).toContain(Math.min(...scores).toFixed(2));
    await page.getByLabel("Aggregate").selectOption("mean");
    expect(asked).toEqual([]);
  });

  test("the page has nothing to complain of, its address brings the answer back", async () => {
    expect(complaints).toEqual([]);
    await page.waitForTimeout(500);
    const before = await page.locator(".steps").textContent();
    const second = await openPage(browser, page.url());
    expect(await second.page.locator(".steps").textContent()).toBe(before);
    await second.context.close();
  });

  test.each(["light", "dark"] as const)("axe finds nothing in %s", async (colorScheme) => {
    await page.emulateMedia({ colorScheme });
    expect(await axeViolations(page)).toEqual([]);
  });
});
