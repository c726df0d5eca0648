// A mirror's names of files, hashes and commits become paths of the cache, and of nothing else.

import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { blobFile, cachedModel, linkBlob, snapshotDir } from "../../../../src/train/store/hub/hub-cache.ts";

const cacheDir = mkdtempSync(join(tmpdir(), "hub-cache-"));
afterAll(() => rmSync(cacheDir, { recursive: true, force: true }));
const model = cachedModel("acme/farm", "main", cacheDir, "dataset");
const COMMIT = "0123456789abcdef0123456789abcdef01234567";

test.each(["..", ".", "", "../x", "a/../../x", "../blobs-of-others"])(
  "the name %s leads out and is refused",
  async (name) => {
    expect(() => blobFile(model, name)).toThrow(/lies outside of the cache/);
    expect(() => snapshotDir(model, name)).toThrow(/lies outside of the cache/);
    await expect(linkBlob(model, COMMIT, name, "e7a9")).rejects.toThrow(/lies outside of the cache/);
  },
);

test("a file of a folder is linked below its snapshot, and not one above", async () => {
  await mkdir(join(model.folder, "blobs"), { recursive: true });
  writeFileSync(blobFile(model, "e7a9"), "records");
  await linkBlob(model, COMMIT, "default/train/0000.parquet", "e7a9");
  const path = join(snapshotDir(model, COMMIT), "default/train/0000.parquet");
  expect(readFileSync(path, "utf8")).toBe("records");
  await expect(linkBlob(model, COMMIT, "../../../../x/train/0000.parquet", "e7a9")).rejects.toThrow("0000.parquet");
  expect(existsSync(join(cacheDir, "..", "x"))).toBe(false);
});
