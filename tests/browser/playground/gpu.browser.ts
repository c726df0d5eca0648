// The model on the browser's GPU: Chromium's software adapter computes what the worker does; where there is no GPU, or it computes
// something else, the processor does.

import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import type { LocalWorker } from "../../../src/infer/local-worker.ts";
import { noBrowser, openPage, startBrowser } from "../chromium.ts";
import { ask, MIA } from "./local-page.ts";
import { startPlayground } from "./stage.ts";

const SOFTWARE_GPU = ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"];
const LONG_MS = 240_000;
const answerShape = z.object({ generated_text: z.string(), steps: z.array(z.object({ score: z.number() })) });

describe.skipIf(noBrowser)("on the browser's GPU", () => {
  let worker: LocalWorker;
  let browser: Browser;

  beforeAll(async () => {
    worker = await startPlayground();
    browser = await startBrowser(SOFTWARE_GPU);
  });
  afterAll(async () => {
    await browser?.close();
    await worker?.stop();
  });

  const tryGpu = async (page: Page) => {
    await page.getByLabel("Run on").selectOption("browser");
    await page.getByRole("button", { name: "Try this browser's GPU" }).click();
  };

  test(
    "greedy text is the worker's, scores within 0.001, and its runtime is loaded only when it is chosen",
    async ({ skip }) => {
      const { page, context } = await openPage(browser, worker.url);
      const hasAdapter = await page.evaluate("navigator.gpu?.requestAdapter().then((adapter) => adapter !== null)");
      skip(hasAdapter !== true, "this Chromium has no software GPU (SwiftShader)");
      const asked: string[] = [];
      page.on("request", (request) => asked.push(new URL(request.url()).pathname));
      await page.getByLabel("Run on").selectOption("browser");
      await page.getByText("The model runs in this browser").waitFor();
      expect(asked.filter((path) => /jspi|gpu/.test(path))).toEqual([]);
      await page.getByRole("button", { name: "Try this browser's GPU" }).click();
      const outcome = page.getByText(/The model runs on this browser's GPU|The GPU is not used/);
      await outcome.waitFor({ timeout: LONG_MS });
      const said = (await outcome.textContent()) ?? "";
      skip(said.includes("was not ready after"), `this machine is too slow for a software GPU: ${said}`);
      expect(said).toContain("The model runs on this browser's GPU");
      expect(asked.filter((path) => path.endsWith("ort-jspi.gz"))).toHaveLength(1);
      const body = { inputs: MIA, parameters: { max_new_tokens: 160, score_steps: true } };
      const response = await fetch(`${worker.url}/generate`, { method: "POST", body: JSON.stringify(body) });
      const expected = answerShape.parse(await response.json());
      const { text, scores } = await ask(page, MIA, LONG_MS);
      expect(text).toBe(expected.generated_text);
      expect(scores.length).toBe(expected.steps.length);
      scores.forEach((score, at) => {
        expect(Math.abs(score - (expected.steps[at]?.score ?? Number.NaN))).toBeLessThan(0.001);
      });
      await context.close();
    },
    2 * LONG_MS,
  );

  test("where the GPU's runtime cannot be had, the processor answers, and the page says why", async () => {
    const { page, context } = await openPage(browser, worker.url);
    await page.route("**/ort-jspi.gz", (route) => route.abort());
    await tryGpu(page);
    await page.getByText(/The GPU is not used: .+ The model runs in this browser/).waitFor();
    expect((await ask(page, MIA)).scores.length).toBeGreaterThan(0);
    await context.close();
  });

  test("a browser that has none says so, and its processor answers", async () => {
    const without = await startBrowser();
    const { page } = await openPage(without, worker.url);
    await tryGpu(page);
    await page
      .getByText("The GPU is not used: this browser gives the page no GPU. The model runs in this browser")
      .waitFor();
    expect(await page.getByLabel("Run on").inputValue()).toBe("gpu");
    expect((await ask(page, MIA)).scores.length).toBeGreaterThan(0);
    await without.close();
  });
});
