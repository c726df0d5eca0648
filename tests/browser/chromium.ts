// A Chromium of this machine for the tests of what a person sees, and pages of it that note every complaint.

import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { delimiter, isAbsolute, join } from "node:path";
import axe from "axe-core";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";

/** CHROME_PATH, or a Chromium or Chrome on the PATH; undefined where there is none that runs. */
function findChromium(): string | undefined {
  const names = process.env.CHROME_PATH ? [process.env.CHROME_PATH] : ["chromium", "chromium-browser", "google-chrome"];
  const command = names.find((name) => spawnSync(name, ["--version"], { timeout: 20_000 }).status === 0);
  if (command === undefined || isAbsolute(command)) return command;
  const folders = (process.env.PATH ?? "").split(delimiter);
  return folders.map((folder) => join(folder, command)).find((path) => existsSync(path));
}

const found = findChromium();
if (found === undefined) {
  console.warn("skipped: no Chromium. Install one (Debian: apt-get install chromium), or name one in CHROME_PATH.");
}

/** Whether there is no browser to test with. */
export const noBrowser = found === undefined;

export function startBrowser(args: readonly string[] = []): Promise<Browser> {
  const asRoot = process.getuid?.() === 0 ? ["--no-sandbox"] : [];
  return chromium.launch({
    ...(found !== undefined && { executablePath: found }),
    args: [...asRoot, "--disable-dev-shm-usage", "--disable-background-networking", ...args],
  });
}

/** A page, and everything that it complained of. */
export async function openPage(
  browser: Browser,
  url: string,
  options: Parameters<Browser["newContext"]>[0] = {},
): Promise<{ page: Page; context: BrowserContext; complaints: string[] }> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(error.message));
  await page.goto(url);
  return { page, context, complaints };
}

/** What axe finds wrong on the page as it is, one line a rule. */
export async function axeViolations(page: Page): Promise<string[]> {
  await page.evaluate(axe.source);
  const violations: unknown = await page.evaluate(
    "axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => violations.map(({ id, nodes }) => id + ': ' + nodes.map(({ html, any }) => html.slice(0, 160) + ' ' + (any[0]?.message ?? '')).join(' | ')))",
  );
  return Array.isArray(violations) ? violations.map(String) : ["axe did not answer"];
}
