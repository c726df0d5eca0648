// The playground as a site of nothing but files: page, runtime and models. Written beside its target, then swapped in.

import { copyFile, mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { InputError } from "../../shared/errors.ts";
import type { Dtype } from "../../shared/onnx-names.ts";
import { prepareEdgeModels } from "../edge-models.ts";
import { buildPage } from "./build-page.ts";
import { PAGE_FOLDER } from "./bundle-page.ts";

export interface SiteOptions {
  /** Exported model folders. */
  policyDir: string;
  rewardDir: string;
  dtype: Dtype;
  /** What is in it is replaced; it must be a site of this kind, empty or absent. */
  outputDir: string;
}

/** A host without headers of its own: the page says its policy itself. */
const POLICY =
  "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'";
/** Read by several static hosts: isolated, the page may run the models on several threads. */
const HEADERS_FILE = `/*
  Cross-Origin-Opener-Policy: same-origin
  Cross-Origin-Embedder-Policy: require-corp
  Cross-Origin-Resource-Policy: same-origin
  X-Content-Type-Options: nosniff
`;
const INDEX = "models/index.json";

/** Writes the site. Throws ArtifactError for a model that is unfit, InputError for a folder that holds something else. */
export async function buildSite(options: SiteOptions): Promise<{ files: number; bytes: number }> {
  const { policyDir, rewardDir, dtype, outputDir } = options;
  await refuseForeign(outputDir);
  const page = await buildPage();
  const fresh = `${resolve(outputDir)}.${process.pid}.tmp`;
  await rm(fresh, { recursive: true, force: true });
  try {
    await mkdir(join(fresh, PAGE_FOLDER), { recursive: true });
    for (const name of await readdir(join(page, PAGE_FOLDER)))
      await copyFile(join(page, PAGE_FOLDER, name), join(fresh, PAGE_FOLDER, name));
    const { policy, reward } = await prepareEdgeModels({
      ...{ policyDir, rewardDir, dtype },
      assetsDir: join(fresh, "models"),
    });
    const index = { policy, reward, dtype, judge_context: "prefix", aggregation: "mean" };
    await writeFile(join(fresh, INDEX), `${JSON.stringify(index)}\n`);
    await writeFile(join(fresh, "index.html"), staticPage(await readFile(join(page, "index.html"), "utf8")));
    await writeFile(join(fresh, "_headers"), HEADERS_FILE);
    await rm(outputDir, { recursive: true, force: true });
    await mkdir(dirname(resolve(outputDir)), { recursive: true });
    await rename(fresh, outputDir);
  } finally {
    await rm(fresh, { recursive: true, force: true });
  }
  const entries = (await readdir(outputDir, { recursive: true, withFileTypes: true })).filter((entry) =>
    entry.isFile(),
  );
  const sizes = await Promise.all(entries.map(async (entry) => (await stat(join(entry.parentPath, entry.name))).size));
  return { files: sizes.length, bytes: sizes.reduce((sum, size) => sum + size, 0) };
}

function staticPage(html: string): string {
  return html
    .replace('name="playground-host" content="worker"', 'name="playground-host" content="static"')
    .replace("<head>", `<head>\n    <meta http-equiv="Content-Security-Policy" content="${POLICY}" />`);
}

async function refuseForeign(folder: string): Promise<void> {
  const names: string[] = await readdir(folder).catch(() => []);
  if (names.length === 0 || (names.includes("index.html") && names.includes(PAGE_FOLDER))) return;
  throw new InputError({
    code: "folder_not_empty",
    what: "the folder holds something other than a playground",
    where: folder,
    fix: "Name an empty one, or one that does not exist: --output DIR.",
  });
}
