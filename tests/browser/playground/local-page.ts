// What tests of the model in the browser do on the page.

import type { Page } from "playwright-core";
import { z } from "zod";
import { unpack } from "../../../src/playground/state/pack.ts";

export const MIA = "Mia has 12 apples. Then she gets 7 apples from Tom. How many apples does Mia have now?";
const savedShape = z.object({ text: z.string(), scores: z.array(z.number()) });

/** What the page holds, exactly: its address. */
export async function saved(page: Page) {
  await page.waitForTimeout(600);
  return savedShape.parse(await unpack(new URL(page.url()).hash.split("/")[1] ?? ""));
}

/** Asks, and waits for the whole answer. */
export async function ask(page: Page, prompt: string, timeout = 30_000) {
  await page.getByLabel("Question").fill(prompt);
  await page.getByRole("button", { name: "Generate", exact: true }).click();
  await untilWritten(page, timeout);
  return saved(page);
}

export async function untilWritten(page: Page, timeout = 30_000): Promise<void> {
  await page.getByRole("button", { name: "Stop" }).and(page.locator(":disabled")).waitFor({ timeout });
}
