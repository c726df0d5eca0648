// Data sets against a Hub on this machine, over real HTTP: which files are fetched, into the standard cache, and what is refused.

import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { prepareData } from "../../../../src/train/data/pairs/prepare.ts";
import { parseDatasetId, selectDataFiles } from "../../../../src/train/store/hub/dataset-id.ts";
import { type DatasetOptions, resolveDataset } from "../../../../src/train/store/hub/resolve-dataset.ts";
import { json } from "../../../json-answer.ts";
import { COMMIT, sendBytes, sha256 } from "./hub-server.ts";

const ID = "acme/farm";
const shard = readFileSync(fileURLToPath(new URL("../../../data/ultrafeedback-snappy.parquet", import.meta.url)));
const other = readFileSync(fileURLToPath(new URL("../../../data/ultrafeedback-zstd.parquet", import.meta.url)));
const FILES = new Map([
  ["default/train/0000.parquet", shard],
  ["default/train/0001.parquet", other],
  ["default/test/0000.parquet", shard],
]);

let server: Server;
let url = "";
let requests: string[] = [];
let cacheDir = "";
beforeAll(async () => {
  server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url ?? "", "http://hub").pathname);
    requests.push(path);
    const api = `/api/datasets/${ID}`;
    const info = { _id: "1", id: ID, sha: COMMIT, lastModified: "2024-01-01T00:00:00.000Z", private: false };
    if (path === `${api}/revision/refs/convert/parquet`) return json(response, 200, info);
    if (path.startsWith(`${api}/revision/`))
      return json(response, 404, { error: "Invalid rev id" }, { "x-error-code": "RevisionNotFound" });
    if (path === `${api}/tree/${COMMIT}`) {
      const entries = [...FILES].map(([name, bytes]) => {
        const lfs = { oid: sha256(bytes), size: bytes.length, pointerSize: 128 };
        return { type: "file", path: name, size: bytes.length, oid: "0".repeat(40), lfs };
      });
      return json(response, 200, entries);
    }
    if (path.startsWith("/api/datasets/acme/gated"))
      return json(response, 403, { error: "gated" }, { "x-error-code": "GatedRepo" });
    const bytes = FILES.get(path.replace(`/datasets/${ID}/resolve/${COMMIT}/`, ""));
    if (bytes !== undefined) return sendBytes(request, response, bytes);
    return json(response, 404, { error: "Repository not found" }, { "x-error-code": "RepoNotFound" });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`; // a TCP server's address is always one
});
afterAll(() => new Promise<void>((resolve) => server.close(() => resolve())));
beforeEach(() => {
  for (const name of ["HF_TOKEN", "HF_ENDPOINT", "HF_HUB_OFFLINE"]) vi.stubEnv(name, "");
  cacheDir = mkdtempSync(join(tmpdir(), "hub-data-"));
  requests = [];
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(cacheDir, { recursive: true, force: true });
});

const options = (more: DatasetOptions = {}): DatasetOptions => ({
  endpoint: url,
  cacheDir,
  retries: 1,
  minPauseMs: 5,
  ...more,
});
const fetched = (): string[] => requests.filter((path) => path.includes("/resolve/"));

test("the Hub's Parquet of the train split lands in the cache, its size told before; later runs fetch nothing", async () => {
  const lines: string[] = [];
  const files = await resolveDataset({ id: ID }, options({ log: (line) => lines.push(line) }));
  const folder = join(cacheDir, "datasets--acme--farm", "snapshots", COMMIT);
  expect(files.map((path) => relative(folder, path))).toEqual([
    "default/train/0000.parquet",
    "default/train/0001.parquet",
  ]);
  expect(lines).toEqual(["data set acme/farm: default, train: 2 files, 0.0 MB"]);
  expect(fetched()).toHaveLength(2);
  expect(await resolveDataset({ id: ID }, options())).toEqual(files);
  expect(await resolveDataset({ id: ID }, options({ offline: true }))).toEqual(files);
  expect(fetched()).toHaveLength(2);
  const report = await prepareData({ input: ID, files, output: join(cacheDir, "out"), evalFraction: 0, seed: 1 });
  // both shards hold the same five pairs
  expect(report).toMatchObject({ records_read: 10, pairs_read: 5, dropped: { duplicate: 5 }, input: ID });
});

test("only the first shards that hold so many records are fetched", async () => {
  expect(await resolveDataset({ id: ID }, options({ maxRecords: 5 }))).toHaveLength(1);
  expect(fetched()).toHaveLength(1);
});

test("a split by its name; one that is not there, and a data set that is gated, missing or not cached, say so", async () => {
  expect(await resolveDataset({ id: ID, split: "test" }, options())).toHaveLength(1);
  await expect(resolveDataset({ id: ID, split: "dev" }, options())).rejects.toThrow(
    'the data set has no split "dev" (acme/farm). Its splits are train, test: name one as OWNER/NAME/SPLIT.',
  );
  await expect(resolveDataset({ id: "acme/gated" }, options())).rejects.toThrow(
    `the data set is gated (datasets/acme/gated). Accept its terms on ${url}/datasets/acme/gated and set HF_TOKEN`,
  );
  await expect(resolveDataset({ id: "acme/none" }, options())).rejects.toThrow(
    "neither a folder here nor a data set on",
  );
  await expect(resolveDataset({ id: "acme/none" }, options({ offline: true }))).rejects.toThrow("not in the cache");
  expect(existsSync(join(cacheDir, "datasets--acme--none"))).toBe(false);
});

test("names: revision, config and split; what is or was meant as a file here is none", () => {
  expect(parseDatasetId("acme/farm")).toEqual({ id: "acme/farm" });
  expect(parseDatasetId("acme/farm@v1:small/train_prefs")).toEqual({
    id: "acme/farm",
    revision: "v1",
    config: "small",
    split: "train_prefs",
  });
  expect(parseDatasetId("acme/farm@refs/convert/parquet")).toMatchObject({ revision: "refs/convert/parquet" });
  for (const path of ["data/dpo", "tests/none", "acme/farm.jsonl", "/acme/farm", "farm"])
    expect(parseDatasetId(path)).toBeUndefined();
});

test("a repository's own files: Parquet before others, splits by their names, configs by their folders", () => {
  const paths = ["README.md", "data/train_prefs-00001-of-00002.parquet", "data/train_prefs-00000-of-00002.parquet"];
  const more = ["data/test_prefs-00000-of-00001.parquet", "train.jsonl"];
  expect(selectDataFiles([...paths, ...more], { id: ID })).toEqual({
    config: "default",
    split: "train_prefs",
    paths: ["data/train_prefs-00000-of-00002.parquet", "data/train_prefs-00001-of-00002.parquet"],
  });
  expect(
    selectDataFiles(["harmless-base/train.jsonl.gz", "red/train.jsonl.gz"], { id: ID, config: "red" }).paths,
  ).toEqual(["red/train.jsonl.gz"]);
  expect(() => selectDataFiles(["a/train.jsonl", "b/train.jsonl"], { id: ID })).toThrow(
    "the data set has several configs, and none is named (acme/farm). Its configs are a, b",
  );
  expect(() => selectDataFiles(["README.md"], { id: ID })).toThrow("the data set has no file of records");
});
