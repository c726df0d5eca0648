// The pages that the worker serves, beside its models: our own files, and Swagger UI's from its package.

import { copyFile, mkdir, readdir, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildPage } from "./playground/build-page.ts";
import { PAGE_FOLDER } from "./playground/bundle-page.ts";

const OWN = fileURLToPath(new URL("../edge/pages/", import.meta.url));
const SWAGGER_FILES = ["swagger-ui.css", "swagger-ui-bundle.js"];

/** Copies the pages into `assetsDir`; paths there are those of their URLs. */
export async function prepareEdgePages(assetsDir: string): Promise<void> {
  for (const page of await readdir(OWN)) {
    await mkdir(join(assetsDir, page), { recursive: true });
    for (const file of await readdir(join(OWN, page)))
      await copyFile(join(OWN, page, file), join(assetsDir, page, file));
  }
  const swagger = dirname(createRequire(import.meta.url).resolve("swagger-ui-dist/package.json"));
  for (const file of SWAGGER_FILES) await copyFile(join(swagger, file), join(assetsDir, "docs", file));
}

/** Copies the playground into `assetsDir`, built if need be. Throws ArtifactError when it does not build. */
export async function preparePlayground(assetsDir: string): Promise<void> {
  const built = await buildPage();
  const target = join(assetsDir, PAGE_FOLDER);
  await rm(target, { recursive: true, force: true });
  await mkdir(target, { recursive: true });
  const names = (await readdir(join(built, PAGE_FOLDER))).map((name) => join(PAGE_FOLDER, name));
  for (const name of ["index.html", ...names]) {
    const place = join(assetsDir, PAGE_FOLDER, name.slice(name.lastIndexOf("/") + 1));
    // a link would change with every other one that is made: whoever watches the folder would begin anew
    await copyFile(join(built, name), place);
  }
}

/** Both: every page. */
export async function preparePages(assetsDir: string): Promise<void> {
  await prepareEdgePages(assetsDir);
  await preparePlayground(assetsDir);
}

/** The folders that the pages take. */
export async function pageFolders(): Promise<string[]> {
  return [...(await readdir(OWN)), PAGE_FOLDER];
}
