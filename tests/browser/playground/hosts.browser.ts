// The page without a worker, on a host of files; and beside a baseline, as `npm run playground` serves it.

import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { extname, join, normalize } from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { preparePages } from "../../../src/infer/edge-pages.ts";
import { buildSite } from "../../../src/infer/playground/build-site.ts";
import { startServer } from "../../../src/serve/serve.ts";
import { axeViolations, noBrowser, openPage, startBrowser } from "../chromium.ts";
import { shippedModels } from "./stage.ts";

const TYPES: Record<string, string> = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".css": "text/css",
};

/** A host that knows nothing but files, in a folder of it. */
function serveFiles(root: string): Promise<Server> {
  const server = createServer((request, response) => {
    const path = normalize(new URL(request.url ?? "/", "http://host").pathname.replace(/^\/site\//, "/"));
    const file = join(root, path.endsWith("/") ? `${path}index.html` : path);
    readFile(file).then(
      (bytes) =>
        response.writeHead(200, { "content-type": TYPES[extname(file)] ?? "application/octet-stream" }).end(bytes),
      () => response.writeHead(404).end(),
    );
  });
  return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server)));
}

const portOf = (server: Server): number => {
  const address: AddressInfo | string | null = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
};

describe.skipIf(noBrowser)("hosts", () => {
  let browser: Browser;
  let dir: string;

  beforeAll(async () => {
    browser = await startBrowser();
    dir = await mkdtemp(join(tmpdir(), "playground-site-"));
  });
  afterAll(async () => {
    await browser?.close();
    await rm(dir, { recursive: true, force: true });
  });

  test("a static host: the models run in the browser, on one thread, and nothing but files is asked for", async () => {
    const outputDir = join(dir, "site");
    const { bytes } = await buildSite({ ...(await shippedModels()), dtype: "int8", outputDir });
    // of which this visitor never loads the runtime for GPUs
    const { size: gpuBytes } = await stat(join(outputDir, "playground/ort-jspi.gz"));
    expect(gpuBytes).toBeLessThan(4_500_000);
    expect(bytes - gpuBytes).toBeLessThan(20_000_000);
    const host = await serveFiles(outputDir);
    try {
      const { page, complaints, context } = await openPage(browser, `http://127.0.0.1:${portOf(host)}/site/`);
      const asked: string[] = [];
      page.on("request", (request) => asked.push(`${request.method()} ${new URL(request.url()).host}`));
      await page.getByText("one thread").waitFor();
      expect(await page.getByLabel("Run on").count()).toBe(0);
      await page.getByRole("button", { name: "Generate", exact: true }).click();
      await page.locator(".speed").waitFor();
      await page.getByRole("button", { name: "Stop" }).and(page.locator(":disabled")).waitFor();
      expect(await page.locator(".steps .score").first().textContent()).toMatch(/\d\.\d\d$/);
      expect(new Set(asked).size).toBeLessThanOrEqual(1);
      expect(await axeViolations(page)).toEqual([]);
      expect(complaints).toEqual([]);
      await context.close();
    } finally {
      host.close();
      host.closeAllConnections();
    }
  });

  test("a folder that holds something else is not replaced", async () => {
    const foreign = await mkdtemp(join(dir, "foreign-"));
    await writeFile(join(foreign, "thesis.txt"), "years of work");
    const refused = buildSite({ ...(await shippedModels()), dtype: "int8", outputDir: foreign });
    await expect(refused).rejects.toThrow("the folder holds something other than a playground");
    expect(await readFile(join(foreign, "thesis.txt"), "utf8")).toBe("years of work");
  });

  test("beside a baseline: both are asked at once, by their own names, and scored by one reward model", async () => {
    const { policyDir, rewardDir } = await shippedModels();
    const server = await startServer({
      ...{ policyDir, rewardDir, baselineDir: policyDir },
      dtype: "int8",
      host: "127.0.0.1",
      port: 0,
      env: {},
      preparePages,
      log: () => undefined,
    });
    try {
      const { page, complaints, context } = await openPage(browser, `${server.url}/#compare`);
      const asked: string[] = [];
      page.on("request", (request) => asked.push(new URL(request.url()).pathname));
      await page.getByRole("group", { name: "baseline" }).waitFor();
      await page.getByRole("button", { name: "Write both" }).click();
      // one model in both places: greedy texts are the same
      await page.getByText("Neither is preferred: equal scores.").first().waitFor();
      expect(asked.sort()).toEqual(["/baseline/generate", "/generate", "/score"]);
      expect(complaints).toEqual([]);
      await context.close();
    } finally {
      await server.stop();
    }
  });
});
