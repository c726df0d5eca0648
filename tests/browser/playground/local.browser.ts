// The model in the browser: the worker's text and scores, from its cache the second time, and what is said when it does not fit.

import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import type { LocalWorker } from "../../../src/infer/local-worker.ts";
import { unpack } from "../../../src/playground/state/pack.ts";
import { axeViolations, noBrowser, openPage, startBrowser } from "../chromium.ts";
import { startPlayground } from "./stage.ts";

const PROMPTS = [
  "Mia has 12 apples. Then she gets 7 apples from Tom. How many apples does Mia have now?",
  "Ruth has 24 trays with 3 eggs each. Later she sells half of her eggs. How many eggs does Ruth have in the end?",
  "Ben starts with 78 stickers. Eva takes 35 of the stickers. Then he gets as many stickers again from Eva. How many stickers does Ben have now?",
];
const answerShape = z.object({ generated_text: z.string(), steps: z.array(z.object({ score: z.number() })) });
const savedShape = z.object({ text: z.string(), scores: z.array(z.number()) });

/** In the page: chooses the worker as soon as there is a token. */
const TURN_AT_FIRST_TOKEN = `
  new MutationObserver((_, observer) => {
    if (document.querySelector(".token") === null) return;
    observer.disconnect();
    const select = [...document.querySelectorAll("select")].find((one) => one.querySelector("option[value=browser]"));
    select.value = "worker";
    select.dispatchEvent(new Event("change", { bubbles: true }));
  }).observe(document.body, { subtree: true, childList: true });
`;

/** What the page holds, exactly: its address. */
async function saved(page: Page) {
  await page.waitForTimeout(600);
  return savedShape.parse(await unpack(new URL(page.url()).hash.split("/")[1] ?? ""));
}

async function ask(page: Page, prompt: string) {
  await page.getByLabel("Question").fill(prompt);
  await page.getByRole("button", { name: "Generate", exact: true }).click();
  await page.getByRole("button", { name: "Stop" }).and(page.locator(":disabled")).waitFor();
  return saved(page);
}

describe.skipIf(noBrowser)("in the browser", () => {
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

  test("greedy texts are the worker's, scores within 0.001, times stand beside each other, the cache serves the second visit", async () => {
    const { page, context, complaints } = await openPage(browser, worker.url);
    expect(await page.evaluate("crossOriginIsolated")).toBe(true);
    await page.getByLabel("Run on").selectOption("browser");
    await page.getByText("The model runs in this browser").waitFor();
    expect(await page.locator(".local").textContent()).toMatch(/MB loaded/);
    const asked: string[] = [];
    page.on("request", (request) => asked.push(`${request.method()} ${new URL(request.url()).pathname}`));
    for (const prompt of PROMPTS) {
      const body = { inputs: prompt, parameters: { max_new_tokens: 160, score_steps: true } };
      const response = await fetch(`${worker.url}/generate`, { method: "POST", body: JSON.stringify(body) });
      const expected = answerShape.parse(await response.json());
      const { text, scores } = await ask(page, prompt);
      expect(text).toBe(expected.generated_text);
      expect(scores.length).toBe(expected.steps.length);
      scores.forEach((score, at) => {
        expect(Math.abs(score - (expected.steps[at]?.score ?? Number.NaN))).toBeLessThan(0.001);
      });
    }
    expect(asked).toEqual([]);
    expect(await axeViolations(page)).toEqual([]);

    await page.getByLabel("Run on").selectOption("worker");
    await ask(page, PROMPTS[2] ?? "");
    const table = page.getByRole("table");
    expect(await table.locator("caption").textContent()).toContain("the same text");
    expect(await table.locator("tbody tr").count()).toBe(2);

    await page.reload();
    await page.getByLabel("Run on").selectOption("browser");
    await page.getByText("from its cache").waitFor();
    expect(complaints).toEqual([]);
    await context.close();
  });

  test("what was written can be stopped and continued in the browser, too", async () => {
    const { page, context } = await openPage(browser, worker.url);
    await page.getByLabel("Run on").selectOption("browser");
    await page.getByText("The model runs in this browser").waitFor();
    const whole = await ask(page, PROMPTS[1] ?? "");
    await page.getByRole("button", { name: "Continue from step 1" }).click();
    await page.getByRole("button", { name: "Stop" }).and(page.locator(":disabled")).waitFor();
    expect((await saved(page)).text).toBe(whole.text);
    await context.close();
  });

  test("a text that is being written in the browser ends where the page turns to the worker", async () => {
    const { page, context } = await openPage(browser, worker.url);
    await page.getByLabel("Run on").selectOption("browser");
    await page.getByText("The model runs in this browser").waitFor();
    await page.getByLabel("Question").fill(PROMPTS[2] ?? "");
    // with the first token, so that most of the text is still to come
    await page.evaluate(TURN_AT_FIRST_TOKEN);
    await page.getByRole("button", { name: "Generate", exact: true }).click();
    await page.locator(".token").first().waitFor();
    expect(await page.getByLabel("Run on").inputValue()).toBe("worker");
    await page.getByRole("button", { name: "Stop" }).and(page.locator(":disabled")).waitFor();
    expect((await ask(page, PROMPTS[0] ?? "")).scores.length).toBeGreaterThan(0);
    await context.close();
  });

  test("a model that does not fit is said so, with the way out", async () => {
    // WebAssembly may have 19 MB here: the runtime starts, and finds no room for the graphs
    const small = await startBrowser(["--js-flags=--wasm-max-mem-pages=300"]);
    const { page } = await openPage(small, worker.url);
    await page.getByLabel("Run on").selectOption("browser");
    const problem = page.locator(".problem").first();
    await problem.waitFor();
    expect(await problem.getAttribute("data-kind")).toBe("too_large");
    expect(await problem.textContent()).toContain("Choose the worker");
    await page.getByLabel("Run on").selectOption("worker");
    await problem.waitFor({ state: "detached" });
    expect((await ask(page, PROMPTS[0] ?? "")).scores.length).toBeGreaterThan(0);
    await small.close();
  });
});
