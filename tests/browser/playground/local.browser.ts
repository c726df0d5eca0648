// The model in the browser: the worker's text and scores, from its cache the second time, and what is said when it does not fit.

import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import type { LocalWorker } from "../../../src/infer/local-worker.ts";
import { axeViolations, noBrowser, openPage, startBrowser } from "../chromium.ts";
import { ask, MIA, saved, untilWritten } from "./local-page.ts";
import { startPlayground } from "./stage.ts";

const PROMPTS = [
  MIA,
  "Ruth has 24 trays with 3 eggs each. Later she sells half of her eggs. How many eggs does Ruth have in the end?",
  "Ben starts with 78 stickers. Eva takes 35 of the stickers. Then he gets as many stickers again from Eva. How many stickers does Ben have now?",
];
const answerShape = z.object({ generated_text: z.string(), steps: z.array(z.object({ score: z.number() })) });

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

/**
 * In the thread: when the first step's score has been told, no more of the answer leaves it, so that it cannot end, and an error that nobody
 * catches is thrown.
 */
const BREAK_AFTER_FIRST_STEP = `
  const tell = self.postMessage.bind(self);
  let isBroken = false;
  self.postMessage = (told, ...rest) => {
    if (isBroken && told.type !== "failed") return;
    const hasStep = told.type === "chunk" && new TextDecoder().decode(told.bytes).includes("event: step");
    tell(told, ...rest);
    if (isBroken || !hasStep) return;
    isBroken = true;
    setTimeout(() => { throw new Error("the thread is out of order"); });
  };
`;

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
    await untilWritten(page);
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
    await untilWritten(page);
    expect((await ask(page, PROMPTS[0] ?? "")).scores.length).toBeGreaterThan(0);
    await context.close();
  });

  test("a thread that breaks off while it writes: what was written stays, and trying again opens the model anew", async () => {
    const { page, context } = await openPage(browser, worker.url);
    await page.getByLabel("Run on").selectOption("browser");
    await page.getByText("The model runs in this browser").waitFor();
    const thread = page.workers().find((one) => one.url().includes("thread-"));
    await thread?.evaluate(BREAK_AFTER_FIRST_STEP);
    await page.getByRole("button", { name: "Generate", exact: true }).click();
    const problem = page.locator(".problem[data-kind=fault]");
    await problem.waitFor();
    expect(await problem.textContent()).toContain("out of order");
    expect(await page.locator(".steps > li").count()).toBeGreaterThan(0);
    expect(await page.getByText("The model runs in this browser").count()).toBe(0);
    await problem.getByRole("button", { name: "Try again" }).click();
    await page.getByText("The model runs in this browser").waitFor();
    await untilWritten(page);
    expect((await saved(page)).scores.length).toBeGreaterThan(0);
    expect(await problem.count()).toBe(0);
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
