// The playground's page, made by Vite from src/playground and kept below outputs/ under a name that follows from its sources: whoever needs
// it calls this, and it is made once. https://vite.dev/guide/api-javascript

import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ArtifactError } from "../../shared/errors.ts";
import { bundlePage } from "./bundle-page.ts";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const BUILDS = join(ROOT, "outputs/edge_build");
const NAME = "playground-";
/** What a build is made of: the page, what it runs in the browser, and how it is bundled. */
const SOURCES = ["src/playground", "src/edge", "src/shared", "src/infer/playground"];
/** A build of other sources that is older than this is nobody's any more. */
const STALE_MS = 60 * 60 * 1000;

/** The folder of the built page: `index.html`, and `playground/` with what it loads. Throws ArtifactError when the sources do not build. */
export async function buildPage(): Promise<string> {
  const target = join(BUILDS, NAME + (await sourceHash()));
  if (await isThere(target)) return target;
  await mkdir(BUILDS, { recursive: true });
  const fresh = await mkdtemp(join(BUILDS, "page-"));
  try {
    await bundlePage(join(ROOT, "src/playground"), fresh);
    await rename(fresh, target).catch(async (cause: unknown) => {
      // another process was faster
      if (!(await isThere(target))) throw cause;
    });
  } catch (cause) {
    const what = cause instanceof Error ? cause.message : String(cause);
    throw new ArtifactError({ code: "page_not_built", what, where: "src/playground", fix: "Run npm ci.", cause });
  } finally {
    await rm(fresh, { recursive: true, force: true });
  }
  await removeStale(target);
  return target;
}

async function isThere(folder: string): Promise<boolean> {
  return stat(join(folder, "index.html")).then(
    () => true,
    () => false,
  );
}

/** Sixteen digits that change with any source, and with the versions of the packages. */
async function sourceHash(): Promise<string> {
  const hash = createHash("sha256");
  for (const name of ["vite", "preact", "@preact/signals", "onnxruntime-web", "zod", "hono"]) {
    hash.update(`${name} ${await versionOf(name)}\n`);
  }
  for (const folder of SOURCES) {
    const names = await readdir(join(ROOT, folder), { recursive: true, withFileTypes: true });
    const files = names.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
    for (const file of files.sort()) hash.update(`${file.slice(ROOT.length)}\n`).update(await readFile(file));
  }
  return hash.digest("hex").slice(0, 16);
}

async function versionOf(name: string): Promise<string> {
  const entry = createRequire(import.meta.url).resolve(name);
  const at = entry.lastIndexOf(join("node_modules", name));
  return readFile(join(entry.slice(0, at), "node_modules", name, "package.json"), "utf8");
}

async function removeStale(current: string): Promise<void> {
  for (const name of await readdir(BUILDS)) {
    const path = join(BUILDS, name);
    if (!name.startsWith(NAME) || path === current) continue;
    const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: Date.now() }));
    if (Date.now() - mtimeMs > STALE_MS) await rm(path, { recursive: true, force: true });
  }
}
