// Models into an R2 bucket, under the paths that the worker reads.

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MANIFEST_FILE } from "../shared/manifest.ts";
import type { EdgeModels } from "./edge-models.ts";
import { runWrangler } from "./run-wrangler.ts";

/** Where the bucket is: at Cloudflare, or the local one that wrangler keeps in a folder. */
export type BucketPlace = { at: "cloudflare"; fix: string } | { at: "folder"; dir: string };

/** Puts the files of a layout into the bucket, the manifests last: a worker that reads meanwhile finds a whole model. Throws CapacityError. */
export async function fillBucket(
  bucket: string,
  place: BucketPlace,
  { modelsDir, files }: { modelsDir: string; files: EdgeModels["files"] },
  say: (line: string) => void,
): Promise<void> {
  const folders = new Set(files.map(({ path }) => path.slice(0, path.indexOf("/"))));
  const manifests = [...folders].map((folder) => `${folder}/${MANIFEST_FILE}`);
  const listDir = await mkdtemp(join(tmpdir(), "stepwise-upload-"));
  try {
    for (const paths of [files.map(({ path }) => path), manifests]) {
      for (const path of paths) say(`upload        ${path}`);
      const list = join(listDir, "files.json");
      await writeFile(list, JSON.stringify(paths.map((path) => ({ key: path, file: join(modelsDir, path) }))));
      const where = place.at === "cloudflare" ? ["--remote"] : ["--local", "--persist-to", place.dir];
      const put = ["r2", "bulk", "put", bucket, "--filename", list, "--force", ...where];
      await runWrangler(put, place.at === "cloudflare" ? { fix: place.fix } : {});
    }
  } finally {
    await rm(listDir, { recursive: true, force: true });
  }
}
