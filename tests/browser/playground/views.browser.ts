// Compare, Best of N, Data and For developers, as a person uses them, on one worker.

import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { parse } from "csv-parse/sync";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { type LocalWorker, PROJECT_ROOT } from "../../../src/infer/local-worker.ts";
import { axeViolations, noBrowser, openPage, startBrowser } from "../chromium.ts";
import { startPlayground } from "./stage.ts";

const run = promisify(execFile);
const PAIRS = join(PROJECT_ROOT, "data/dpo/eval.jsonl");
const pairAnswer = z.object({
  chosen_score: z.number(),
  rejected_score: z.number(),
  margin: z.number(),
  preferred: z.string(),
  data: z.array(z.object({ steps: z.array(z.object({ score: z.number() })) })),
});

describe.skipIf(noBrowser)("views", () => {
  let worker: LocalWorker;
  let browser: Browser;
  let page: Page;
  let complaints: string[];
  let dir: string;
  let pairs: { prompt: string; chosen: string; rejected: string }[];

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), "playground-"));
    const lines = (await readFile(PAIRS, "utf8")).trim().split("\n");
    pairs = lines.map((line) =>
      z.object({ prompt: z.string(), chosen: z.string(), rejected: z.string() }).parse(JSON.parse(line)),
    );
    worker = await startPlayground();
    browser = await startBrowser();
    ({ page, complaints } = await openPage(browser, `${worker.url}/#compare`, {
      permissions: ["clipboard-read", "clipboard-write"],
    }));
  });
  afterAll(async () => {
    await browser?.close();
    await worker?.stop();
    await rm(dir, { recursive: true, force: true });
  });

  const go = (name: string) => page.getByRole("navigation").getByRole("link", { name, exact: true }).click();
  const checkBoth = async () => {
    for (const colorScheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme });
      expect(await axeViolations(page)).toEqual([]);
    }
    await page.emulateMedia({ colorScheme: "light" });
  };
  const post = async (path: string, body: unknown): Promise<unknown> =>
    (await fetch(`${worker.url}${path}`, { method: "POST", body: JSON.stringify(body) })).json();

  test("Compare: rows of a file, the API's margin, the first wrong step, aligned steps", async () => {
    await page.getByLabel("Load a row of a JSONL or CSV file").setInputFiles(PAIRS);
    const first = pairs[0];
    if (first === undefined) throw new Error("no pair");
    const { prompt, chosen, rejected } = first;
    const expected = pairAnswer.parse(await post("/score", { prompt, chosen, rejected }));
    const verdict = page.locator("#verdict");
    await page
      .getByText(`by a margin of ${Math.abs(expected.margin).toFixed(3)}`)
      .first()
      .waitFor();
    expect(await verdict.textContent()).toContain(`Preferred: ${expected.preferred}`);
    // the first step below one half, of each side
    for (const [at, column] of [0, 1].entries()) {
      const wrong = expected.data[at]?.steps.findIndex(({ score }) => score < 0.5) ?? -1;
      const marked = page.locator(`.aligned tbody tr td:nth-child(${column + 1}).wrong`);
      expect(await marked.count()).toBe(wrong < 0 ? 0 : 1);
      if (wrong >= 0) expect(await marked.textContent()).toContain("first wrong step");
    }
    const lines = (text: string) => text.split("\n");
    const same = lines(chosen).filter((line) => lines(rejected).includes(line));
    expect(await page.locator(".aligned tr.same").count()).toBeGreaterThan(0);
    expect(await page.locator(".aligned tr.same").count()).toBeLessThanOrEqual(same.length);
    await checkBoth();
    await page.getByRole("spinbutton", { name: "Row" }).fill("3");
    await expect.poll(() => page.getByLabel("Question").inputValue()).toBe(pairs[2]?.prompt);
  });

  test("Compare: a pair that is pasted is scored as the API scores it; a file that is none changes nothing", async () => {
    const pair = pairs[1];
    if (pair === undefined) throw new Error("no pair");
    await page.getByLabel("Question").fill(pair.prompt);
    await page.getByLabel("Completion, a step a line (chosen)").fill(pair.chosen);
    await page.getByLabel("Completion, a step a line (rejected)").fill(pair.rejected);
    await page.getByText("Not scored yet.").first().waitFor();
    await page.getByRole("button", { name: "Score both" }).click();
    const { margin, preferred } = pairAnswer.parse(await post("/score", pair));
    const said = `Preferred: ${preferred}, by a margin of ${Math.abs(margin).toFixed(3)}.`;
    await expect.poll(() => page.locator("#verdict").textContent()).toBe(said);
    const bad = join(dir, "bad-pairs.csv");
    await writeFile(bad, "question,answer\n1 + 1,2\n");
    await page.getByLabel("Load a row of a JSONL or CSV file").setInputFiles(bad);
    const problem = page.locator(".problem[data-kind=file]");
    await problem.waitFor();
    expect(await problem.textContent()).toMatch(/bad-pairs\.csv was not taken: .*What was here stays\./);
    expect(await page.locator("#verdict").textContent()).toBe(said);
    await page.getByLabel("Load a row of a JSONL or CSV file").setInputFiles(PAIRS);
    await problem.waitFor({ state: "detached" });
  });

  test("Compare: two temperatures are written and scored; the address brings all of it to another person", async () => {
    await page.getByRole("button", { name: "Write both" }).click();
    await page.locator(".aligned tbody .score").first().waitFor();
    await page.getByRole("button", { name: "Stop" }).and(page.locator(":disabled")).waitFor();
    await page.waitForTimeout(500);
    const told = await page.locator("#verdict").textContent();
    const other = await openPage(browser, page.url());
    expect(await other.page.locator("#verdict").textContent()).toBe(told);
    await other.context.close();
  });

  test("Best of N: samples ranked by score, and the vote of the API", async () => {
    await go("Best of N");
    await page.getByRole("button", { name: "Sample", exact: true }).click();
    await page.locator(".ranked > li").first().waitFor();
    expect(await page.locator(".ranked > li").count()).toBe(8);
    const totals = (await page.locator(".ranked .score.large").allTextContents()).map((text) =>
      Number(text.match(/\d\.\d\d$/)?.[0]),
    );
    expect(totals).toEqual([...totals].sort((a, b) => b - a));
    const question = await page.getByLabel("Question").inputValue();
    const parameters = {
      best_of: 8,
      n: 8,
      temperature: 1,
      seed: 1,
      max_new_tokens: 200,
      score_steps: true,
      rank_by: "score",
      vote: "weighted",
    };
    const { votes } = z
      .object({ votes: z.array(z.object({ answer: z.string(), votes: z.number() })) })
      .parse(await post("/generate", { inputs: question, parameters }));
    expect(
      await page
        .locator(".votes tbody tr")
        .evaluateAll((rows) => rows.map((row) => [row.children[0]?.textContent, Number(row.children[2]?.textContent)])),
    ).toEqual(votes.map(({ answer, votes: count }) => [answer, count]));
    await checkBoth();
  });

  test("Best of N: the tree of a search grows, what was dropped is said, and its answer is the API's", async () => {
    await page.getByLabel("Way").selectOption("step_beam");
    await page.getByLabel("Temperature").fill("1.8");
    await page.getByRole("button", { name: "Search", exact: true }).click();
    await page.locator("#tree", { hasText: "The search" }).waitFor();
    const question = await page.getByLabel("Question").inputValue();
    const search = { type: "step_beam", width: 2, expand: 4, budget_tokens: 1024 };
    const parameters = {
      temperature: 1.8,
      seed: 1,
      max_new_tokens: 200,
      score_steps: true,
      aggregation: "mean",
      search,
    };
    const { generated_text } = z
      .object({ generated_text: z.string() })
      .parse(await post("/generate", { inputs: question, parameters }));
    expect(await page.locator(".tree .chosen > .step-text").allTextContents()).toEqual(generated_text.split("\n"));
    expect(await page.locator(".tree .dropped").count()).toBeGreaterThan(0);
    await checkBoth();
  });

  test("Data: 10,000 pairs scroll with only those in sight drawn, margins are sorted, marked and saved", async () => {
    const records = Array.from({ length: 10_050 }, (_, at) => {
      const pair = pairs[at % pairs.length];
      // margins by hand: every 10th is reversed by 0.5, every 100th zero
      const rejected = at % 100 === 0 ? 0.9 : at % 10 === 1 ? 1 : 0.25;
      const chosen = at % 100 === 0 ? 0.9 : at % 10 === 1 ? 0.5 : 0.75;
      return { ...pair, prompt: `${at + 1}: ${pair?.prompt}`, chosen_score: chosen, rejected_score: rejected };
    });
    const file = join(dir, "many.jsonl");
    await writeFile(file, records.map((record) => JSON.stringify(record)).join("\n"));
    await go("Data");
    await page.getByLabel("A JSONL or CSV file of pairs").setInputFiles(file);
    await page.getByText("10000 pairs, 10000 scored: 1000 reversed, 100 zero.").waitFor();
    await page.getByText("50 more pairs were left out").waitFor();
    expect(await page.locator(".virtual-row").count()).toBeLessThan(60);
    const drawn = () => page.locator(".virtual *").count();
    const atRest = await drawn();
    // the last row comes into sight, and no frame takes long
    await page.locator(".virtual").evaluate((box) => box.scrollTo(0, box.scrollHeight));
    await page.getByText("10000: ").first().waitFor();
    const slowest = await page.locator(".virtual").evaluate(async (box) => {
      let longest = 0;
      for (let at = 0; at < 60; at++) {
        const began = performance.now();
        box.scrollTo(0, at * 7000);
        await new Promise(requestAnimationFrame);
        longest = Math.max(longest, performance.now() - began);
      }
      return longest;
    });
    expect(slowest).toBeLessThan(1000);
    // wherever it scrolls, as much is drawn: the rows in sight and a few beside them
    expect(await drawn()).toBeLessThan(2 * atRest);
    expect(await page.locator(".virtual-row").count()).toBeLessThan(60);
    await checkBoth();
    const byMargin = page.getByRole("columnheader", { name: "Margin" });
    expect(await byMargin.getAttribute("aria-sort")).toBe("none");
    await byMargin.getByRole("button").click();
    expect(await byMargin.getAttribute("aria-sort")).toBe("ascending");
    await page.locator(".virtual").evaluate((box) => box.scrollTo(0, 0));
    await expect.poll(() => page.locator(".virtual-row").first().textContent()).toContain("reversed");
    await page.getByLabel("Show").selectOption("zero");
    await page.getByText("100 shown").waitFor();
    for (const [name, read] of [
      ["Download CSV", (text: string): unknown[] => parse(text, { columns: true })],
      [
        "Download JSONL",
        (text: string): unknown[] =>
          text
            .trim()
            .split("\n")
            .map((line) => JSON.parse(line)),
      ],
    ] as const) {
      const download = page.waitForEvent("download");
      await page.getByRole("button", { name }).click();
      const saved = read(await readFile(await (await download).path(), "utf8"));
      expect(saved).toHaveLength(100);
      expect(saved[0]).toMatchObject({ prompt: records[0]?.prompt, chosen: records[0]?.chosen });
    }
  });

  test("Data: a CSV file is scored as the API scores it; a malformed one is refused, and changes nothing", async () => {
    const some = pairs.slice(0, 5);
    const quoted = (text: string) => `"${text.replaceAll('"', '""')}"`;
    const csv = join(dir, "some.csv");
    await writeFile(
      csv,
      `prompt,chosen,rejected\n${some.map(({ prompt, chosen, rejected }) => [prompt, chosen, rejected].map(quoted).join(",")).join("\n")}\n,,\n`,
    );
    await page.getByLabel("Show").selectOption("all");
    await page.getByLabel("Order").selectOption("line");
    await page.getByLabel("A JSONL or CSV file of pairs").setInputFiles(csv);
    await page.getByText("5 pairs, 0 scored").waitFor();
    await page.getByText("1 records are no pairs.").waitFor();
    await page.getByRole("button", { name: "Score", exact: true }).click();
    await page.getByText("5 pairs, 5 scored").waitFor();
    const expected = await Promise.all(
      some.map(
        async ({ prompt, chosen, rejected }) =>
          pairAnswer.parse(await post("/score", { prompt, chosen, rejected })).margin,
      ),
    );
    const margins = (await page.locator(".virtual-row td:nth-child(2)").allTextContents()).map((text) =>
      Number.parseFloat(text),
    );
    margins.forEach((margin, at) => {
      expect(margin).toBeCloseTo(expected[at] ?? Number.NaN, 2);
    });
    const bad = join(dir, "bad.jsonl");
    await writeFile(bad, '{"prompt": "x"}\n{"prompt": ');
    await page.getByLabel("A JSONL or CSV file of pairs").setInputFiles(bad);
    const problem = page.locator(".problem[data-kind=file]");
    expect(await problem.textContent()).toContain('line 1 has no text in "chosen", "rejected"');
    await page.getByText("5 pairs, 5 scored").waitFor();
    // a row opens in Compare
    await page.locator(".virtual-row button").nth(1).click();
    await expect.poll(() => page.getByLabel("Question").inputValue()).toBe(some[1]?.prompt);
  });

  test("Data: a file that is dropped is taken; the example has a reversed pair and one whose sides are equal", async () => {
    await page.reload();
    await go("Data");
    await checkBoth();
    await page.getByRole("button", { name: "Load an example" }).click();
    await page.getByText("5 pairs, 0 scored").waitFor();
    await page.getByRole("button", { name: "Score", exact: true }).click();
    await page.getByText(/5 pairs, 5 scored: \d reversed, 1 zero\./).waitFor();
    expect(await page.locator(".virtual-row").nth(3).textContent()).toContain("= zero");
    const dropped = await page.evaluateHandle((line) => {
      const data = new DataTransfer();
      data.items.add(new File([line], "dropped.jsonl"));
      return data;
    }, JSON.stringify(pairs[0]));
    await page.getByRole("region", { name: "Drop a file here" }).dispatchEvent("drop", { dataTransfer: dropped });
    await page.getByRole("heading", { name: "dropped.jsonl" }).waitFor();
    await page.getByText("1 pairs, 0 scored").waitFor();
  });

  test("a link to what a view shows is copied, without asking anybody", async () => {
    await go("Best of N");
    await page.getByLabel("Question").fill("Tom has 3 apples. How many apples does Tom have?");
    await page.getByRole("button", { name: "Copy link" }).click();
    await page.getByText("Copied.").waitFor();
    const link = z.string().parse(await page.evaluate("navigator.clipboard.readText()"));
    const other = await openPage(browser, link);
    expect(await other.page.getByLabel("Question").inputValue()).toBe(
      "Tom has 3 apples. How many apples does Tom have?",
    );
    await other.context.close();
  });

  test("For developers: what is copied runs, and answers as the worker does", async () => {
    await go("Ask");
    await page.getByRole("heading", { name: "Answer" }).waitFor();
    const question = await page.getByLabel("Question").inputValue();
    await go("For developers");
    await page.getByText("stepwise-t5-nano-prm (process)").waitFor();
    await checkBoth();
    const expected = z
      .object({ generated_text: z.string() })
      .parse(await post("/generate", { inputs: question, parameters: { max_new_tokens: 160 } }));
    const copied = async (name: string): Promise<string> => {
      await page.getByRole("button", { name: `Copy as ${name}`, exact: true }).click();
      return z.string().parse(await page.evaluate("navigator.clipboard.readText()"));
    };
    const curl = await run("sh", ["-c", await copied("curl")]);
    expect(JSON.parse(curl.stdout)).toMatchObject({ generated_text: expected.generated_text });
    for (const name of ["fetch", "openai", "@huggingface/inference"]) {
      // beside node_modules, so that packages are found
      const file = join(PROJECT_ROOT, "outputs", `snippet-${process.pid}.mts`);
      await writeFile(file, await copied(name));
      try {
        const { stdout } = await run(process.execPath, ["--import", "tsx", file], { cwd: PROJECT_ROOT });
        if (name === "fetch") expect(stdout).toContain(expected.generated_text.split("\n")[0]);
        else expect(stdout.trim()).toBe(expected.generated_text);
      } finally {
        await rm(file);
      }
    }
  });

  test("nothing was complained of, and nobody but the worker was asked", () => {
    expect(complaints).toEqual([]);
  });
});
