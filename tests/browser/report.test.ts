// The report in a real browser: it asks for nothing, says nothing on the console, and fits a phone.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { writeReport } from "../../src/train/evaluate/report/write.ts";
import { evaluationFixture } from "../train/evaluate/report/fixture.ts";
import { type Chromium, findChromium, type Page, startChromium } from "./chromium.ts";

const executable = findChromium();
if (executable === undefined) console.warn("skipped: no Chromium or Chrome found; name one in CHROME_PATH");

let dir: string;
let chromium: Chromium;
let page: Page;

beforeAll(async () => {
  if (executable === undefined) return;
  dir = await mkdtemp(join(tmpdir(), "report-"));
  const path = join(dir, "report.html");
  await writeReport(path, evaluationFixture());
  chromium = await startChromium(executable);
  page = await chromium.openPage();
  for (const domain of ["Page", "Network", "Runtime", "Log", "Audits"]) await page.call(`${domain}.enable`);
  const loaded = page.next("Page.loadEventFired");
  await page.call("Page.navigate", { url: pathToFileURL(path).href });
  await loaded;
}, 60_000);
afterAll(async () => {
  if (executable === undefined) return;
  await chromium.close();
  await rm(dir, { recursive: true });
});

const requested = (): string[] =>
  page.events.flatMap(({ method, params }) =>
    method === "Network.requestWillBeSent" ? [String(Object(params.request).url)] : [],
  );

test.skipIf(executable === undefined)("the page asks for itself alone, and for nothing over a network", () => {
  expect(
    requested()
      .filter((url) => !url.startsWith("data:"))
      .map((url) => url.replace(/.*\//, "")),
  ).toEqual(["report.html"]);
});

test.skipIf(executable === undefined)("the browser has nothing to complain of", () => {
  const complaints = ["Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Audits.issueAdded"];
  expect(page.events.filter(({ method }) => complaints.includes(method))).toEqual([]);
});

test.skipIf(executable === undefined)(
  "text from the data stays text: no script, image or handler of it is in the document",
  async () => {
    expect(await page.evaluate(`document.querySelectorAll("script, img, iframe, [onerror]").length`)).toBe(0);
    expect(
      await page.evaluate(`document.querySelector("#sample-2 .prompt").textContent.includes("<script>alert")`),
    ).toBe(true);
  },
);

test.skipIf(executable === undefined).each([375, 320, 768, 1280])(
  "nothing sticks out at %i px, all details open",
  async (width) => {
    await page.call("Emulation.setDeviceMetricsOverride", {
      width,
      height: 800,
      deviceScaleFactor: 1,
      mobile: width < 768,
    });
    await page.evaluate(`for (const each of document.querySelectorAll("details")) each.open = true`);
    const [content, room] = ["scrollWidth", "clientWidth"].map((name) =>
      page.evaluate(`document.documentElement.${name}`),
    );
    expect(await content).toBe(await room);
  },
);

test.skipIf(executable === undefined)(
  "on a phone the narrow pictures are shown, and letters keep their size",
  async () => {
    await page.call("Emulation.setDeviceMetricsOverride", {
      width: 375,
      height: 800,
      deviceScaleFactor: 1,
      mobile: true,
    });
    const scales = await page.evaluate(
      `[...document.querySelectorAll("svg")].filter((svg) => svg.clientWidth > 0).map((svg) => svg.clientWidth / svg.viewBox.baseVal.width)`,
    );
    expect(scales).toSatisfy(
      (all: unknown) => Array.isArray(all) && all.length > 10 && all.every((scale) => scale > 0.95),
    );
  },
);

test.skipIf(executable === undefined)(
  "every picture, table and scrolling part has a name for screen readers",
  async () => {
    await page.call("Accessibility.enable");
    const { nodes } = await page.call("Accessibility.getFullAXTree");
    const roles = ["image", "table", "region"];
    const seen = (Array.isArray(nodes) ? nodes : []).filter(
      (node) => !node.ignored && roles.includes(node.role?.value),
    );
    expect(seen.length).toBeGreaterThan(20);
    expect(seen.filter((node) => !node.name?.value)).toEqual([]);
  },
);

test.skipIf(executable === undefined)("the colours follow the reader's scheme, and paper is always light", async () => {
  const paper = (): Promise<unknown> => page.evaluate("getComputedStyle(document.body).backgroundColor");
  const feature = (value: string): { name: string; value: string }[] => [{ name: "prefers-color-scheme", value }];
  await page.call("Emulation.setEmulatedMedia", { features: feature("light") });
  expect(await paper()).toBe("rgb(253, 252, 250)");
  await page.call("Emulation.setEmulatedMedia", { features: feature("dark") });
  expect(await paper()).toBe("rgb(21, 24, 28)");
  await page.call("Emulation.setEmulatedMedia", { media: "print", features: feature("dark") });
  expect(await paper()).toBe("rgb(255, 255, 255)");
});
