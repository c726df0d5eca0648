// The pages that the worker serves, beside its models: our own files, and Swagger UI's from its package.

import { copyFile, mkdir, readdir } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

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

/** The folders that the pages take. */
export async function pageFolders(): Promise<string[]> {
  return readdir(OWN);
}
