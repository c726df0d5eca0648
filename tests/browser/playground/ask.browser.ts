// Ask, as a person uses it.

import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import type { LocalWorker } from "../../../src/infer/local-worker.ts";
import { axeViolations, noBrowser, openPage, startBrowser } from "../chromium.ts";
import { startPlayground } from "./stage.ts";

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

  test("characters that the vocabulary lacks are named beside the answer, and gone with the next", async () => {
    await page.getByLabel("Question").fill(`${PROMPT} \u00e6 \u0416`);
    await page.getByRole("button", { name: "Generate", exact: true }).click();
    await page.locator(".lacking").waitFor();
    expect(await page.locator(".lacking").textContent()).toMatch(/lacks \u00e6 \u0416:/);
    await page.getByLabel("Question").fill(PROMPT);
    await page.getByRole("button", { name: "Generate", exact: true }).click();
    await written();
    expect(await page.locator(".lacking").count()).toBe(0);
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

  test("a word under the pointer tells its log-prob and what else was likely, as the API does", async () => {
    const body = { inputs: PROMPT, parameters: { max_new_tokens: 160, details: true, top_n_tokens: 4 } };
    const response = await fetch(`${worker.url}/generate`, { method: "POST", body: JSON.stringify(body) });
    const { details } = z
      .object({
        details: z.object({
          tokens: z.array(z.object({ text: z.string(), logprob: z.number() })),
          top_tokens: z.array(z.array(z.object({ logprob: z.number() }))),
        }),
      })
      .parse(await response.json());
    const place = details.tokens.findIndex(({ text }) => /\d/.test(text));
    await page.locator(".token").nth(place).hover();
    const panel = (await page.locator(".token-panel").textContent()) ?? "";
    const shown = (logprob = Number.NaN) => (logprob > -0.0005 ? "0.000" : logprob.toFixed(3));
    expect(panel).toContain(`log-prob ${shown(details.tokens[place]?.logprob)} `);
    for (const { logprob } of details.top_tokens[place] ?? []) expect(panel).toContain(` ${shown(logprob)} `);
    expect(await page.locator(".token-panel li").count()).toBe(4);
    // the same by keys: from the first token of the step to the one under the pointer
    const before = details.tokens.slice(0, place).map(({ text }) => text);
    expect(before.join("")).not.toContain("\n");
    await page.mouse.move(0, 0);
    const first = page.getByRole("listbox").first();
    await first.focus();
    await first.press("ArrowLeft");
    await first.press("Home");
    expect(await page.locator(".token.shown").count()).toBe(1);
    for (let at = 0; at < place; at++) await first.press("ArrowRight");
    expect(await page.locator(".token-panel").textContent()).toBe(panel);
    const active = await first.getAttribute("aria-activedescendant");
    expect(await page.locator(`[id="${active}"]`).getAttribute("aria-selected")).toBe("true");
  });

  test("what a screen reader is told: the answer's progress and end, a score by its step, the chosen token", async () => {
    const live = page.locator('[role="status"]');
    expect((await live.allTextContents()).join("\n")).toMatch(/\d steps, aggregate \d\.\d\d\./);
    const marks = await page.locator(".steps .score").allTextContents();
    expect(marks[0]).toMatch(/^step 1: \d\.\d\d$/);
    expect(await page.getByRole("status", { name: "Chosen token" }).count()).toBe(1);
    // a bar as long as the score, beside number and colour
    const shares = await page
      .locator(".steps .score")
      .evaluateAll((all) => all.map((one) => Number(getComputedStyle(one).getPropertyValue("--share")).toFixed(2)));
    expect(shares).toEqual(marks.map((mark) => mark.slice(-4)));
  });

  test("who waits is told the place in the line; then the answer comes, with its times", async () => {
    const leave = new AbortController();
    // more than the worker answers at once, none of which may end before its 500th token
    const body = JSON.stringify({ inputs: PROMPT, parameters: { min_new_tokens: 500, max_new_tokens: 500 } });
    const others = Array.from({ length: 24 }, () =>
      fetch(`${worker.url}/generate`, { method: "POST", body, signal: leave.signal }).catch(() => undefined),
    );
    const waiting = async () =>
      Number((await (await fetch(`${worker.url}/metrics`)).text()).match(/^stepwise_requests_waiting (\d+)/m)?.[1]);
    await expect.poll(waiting, { interval: 20, timeout: 30_000 }).toBeGreaterThan(4);
    await page.getByRole("button", { name: "Generate", exact: true }).click();
    await page.getByText(/Waiting: place \d+ in the line\./).waitFor();
    leave.abort();
    await Promise.all(others);
    expect((await written()).length).toBeGreaterThan(1);
    expect(await page.locator(".speed").textContent()).toMatch(
      /^First token after \d+ ms, \d+ tokens in \d+ ms, \d+ tokens a second\.$/,
    );
    expect(await page.getByText("in the line").count()).toBe(0);
  });

  test("a step that is edited is scored again with all others, and continued from", async () => {
    const score = async (steps: string[]) => {
      const response = await fetch(`${worker.url}/score`, {
        method: "POST",
        body: JSON.stringify({ prompt: PROMPT, steps }),
      });
      const shape = z.object({ data: z.array(z.object({ steps: z.array(z.object({ score: z.number() })) })) });
      return shape.parse(await response.json()).data[0]?.steps.map((step) => step.score.toFixed(2));
    };
    const before = await Promise.all(
      (await steps().all()).map(async (step) => (await step.locator(".step-text").textContent()) ?? ""),
    );
    const wrong = "Mia has 12 - 7 = 5 apples.";
    await page.getByRole("button", { name: "Edit step 1" }).click();
    await page.getByRole("textbox", { name: "Step 1" }).fill(wrong);
    await page.getByRole("button", { name: "Score again" }).click();
    const expected = await score([wrong, ...before.slice(1)]);
    await expect
      .poll(async () =>
        (await page.locator(".steps .score").allTextContents()).map((text) => text.match(/\d\.\d\d$/)?.[0]),
      )
      .toEqual(expected);
    await page.getByRole("button", { name: "Continue from step 1" }).click();
    const after = await written();
    expect(after[0]).toBe(wrong);
    expect(after.length).toBeGreaterThan(1);
    // another seed, and a temperature where there was none
    await page.getByRole("button", { name: "Regenerate" }).click();
    expect((await written()).length).toBeGreaterThan(0);
    expect(await page.getByLabel("Temperature").inputValue()).toBe("0.8");
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
