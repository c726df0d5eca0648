// Model resolution against a Hub on this machine, over real HTTP and with a real cache on disk.

import { randomBytes } from "node:crypto";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { nanoConfig } from "../../../../src/train/recipes/pretrain/nano-config.ts";
import { nanoTokenizer } from "../../../../src/train/recipes/pretrain/nano-tokenizer.ts";
import { resolveCachedModel } from "../../../../src/train/store/hub/resolve-cached-model.ts";
import {
  type DownloadProgress,
  type ResolveOptions,
  resolveModel,
} from "../../../../src/train/store/hub/resolve-model.ts";
import { json } from "../../../json-answer.ts";
import { COMMIT, type HubServer, sendBytes, sha256, startHubServer } from "./hub-server.ts";

const ID = "acme/tiny-t5";
const weights = randomBytes(300_000);
const { tokenizerJson, tokenizerConfig, size } = nanoTokenizer(["Tom", "has", "apples"]);
let hub: HubServer;
let cacheDir: string;

const options = (more: ResolveOptions = {}): ResolveOptions => ({
  endpoint: hub.url,
  cacheDir,
  retries: 3,
  minPauseMs: 5,
  ...more,
});
const modelDir = () => join(cacheDir, "models--acme--tiny-t5");
const fetched = (name: string) => hub.requests.filter(({ path }) => path.endsWith(name));

beforeEach(async () => {
  for (const name of ["HF_TOKEN", "HF_ENDPOINT", "HF_HUB_OFFLINE"]) vi.stubEnv(name, "");
  cacheDir = mkdtempSync(join(tmpdir(), "hub-"));
  hub = await startHubServer(ID, {
    "config.json": JSON.stringify(nanoConfig(size)),
    "tokenizer.json": JSON.stringify(tokenizerJson),
    "tokenizer_config.json": JSON.stringify(tokenizerConfig),
    "generation_config.json": '{"model_type":"t5"}',
    "model.safetensors": weights,
    "pytorch_model.bin": "not wanted",
    "README.md": "not wanted",
  });
});

afterEach(async () => {
  vi.unstubAllEnvs();
  await hub.close();
  rmSync(cacheDir, { recursive: true, force: true });
});

test("a Hub id is fetched into the standard cache layout: blobs, refs and links in the commit's snapshot", async () => {
  const seen: DownloadProgress[] = [];
  const folder = await resolveModel(ID, options({ onProgress: (progress) => seen.push(progress) }));
  expect(folder).toBe(join(modelDir(), "snapshots", COMMIT));
  expect(readdirSync(folder).sort()).toEqual([
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
  ]);
  expect(readFileSync(join(folder, "model.safetensors")).equals(weights)).toBe(true);
  expect(readlinkSync(join(folder, "model.safetensors"))).toBe(`../../blobs/${sha256(weights)}`);
  // git's blob id of the 19 bytes {"model_type":"t5"}, from `git hash-object`
  expect(readlinkSync(join(folder, "generation_config.json"))).toBe(
    "../../blobs/35a8e3aa9d491e8900a898b23dab09e9562841fb",
  );
  expect(readFileSync(join(modelDir(), "refs/main"), "utf8")).toBe(COMMIT);
  const last = seen.at(-1);
  expect(last?.receivedBytes).toBe(last?.totalBytes);
  expect(seen.every(({ receivedBytes }, index) => receivedBytes >= (seen[index - 1]?.receivedBytes ?? 0))).toBe(true);
});

test("a second call fetches no file; a commit in the cache asks no server at all", async () => {
  await resolveModel(ID, options());
  hub.requests.length = 0;
  const onProgress = vi.fn();
  await resolveModel(ID, options({ onProgress }));
  expect(onProgress).not.toHaveBeenCalled();
  expect(hub.requests.map(({ path }) => path)).toEqual([
    `/api/models/${ID}/revision/main`,
    `/api/models/${ID}/tree/${COMMIT}`,
  ]);
  hub.requests.length = 0;
  await resolveModel(ID, options({ revision: COMMIT }));
  expect(hub.requests).toEqual([]);
});

test("shards are found through their index", async () => {
  hub.files.delete("model.safetensors");
  const [one, two] = [randomBytes(1000), randomBytes(2000)];
  hub.files.set("model-00001-of-00002.safetensors", one);
  hub.files.set("model-00002-of-00002.safetensors", two);
  const weight_map = {
    a: "model-00001-of-00002.safetensors",
    b: "model-00002-of-00002.safetensors",
    c: "model-00001-of-00002.safetensors",
  };
  hub.files.set("model.safetensors.index.json", Buffer.from(JSON.stringify({ weight_map })));
  const folder = await resolveModel(ID, options());
  expect(readFileSync(join(folder, "model-00002-of-00002.safetensors")).equals(two)).toBe(true);
  expect(await resolveModel(ID, options({ offline: true }))).toBe(folder);
  hub.files.delete("model-00002-of-00002.safetensors");
  rmSync(modelDir(), { recursive: true });
  await expect(resolveModel(ID, options())).rejects.toThrow("the repository has no model-00002-of-00002.safetensors");
});

test("a cut connection goes on where it broke, however often, as long as bytes arrive", async () => {
  let cuts = 0;
  hub.fault = (path, request, response) => {
    if (path !== "/store/model.safetensors" || cuts === 8) return false;
    cuts += 1;
    const from = Number(/(\d+)-/.exec(request.headers.range ?? "")?.[1] ?? 0);
    response.writeHead(from === 0 ? 200 : 206, {
      "content-length": weights.length - from,
      ...(from === 0 ? {} : { "content-range": `bytes ${from}-${weights.length - 1}/${weights.length}` }),
    });
    response.write(weights.subarray(from, from + 20_000), () => setTimeout(() => request.socket.destroy(), 50));
    return true;
  };
  const folder = await resolveModel(ID, options());
  expect(cuts).toBe(8);
  expect(readFileSync(join(folder, "model.safetensors")).equals(weights)).toBe(true);
  // bytes on their way when the line breaks may be lost, bytes on disk are not asked for again
  const starts = fetched("/store/model.safetensors").map(({ range }) => Number(/\d+/.exec(range ?? "0")?.[0]));
  expect(starts).toEqual(starts.toSorted((a, b) => a - b));
  expect(starts.at(-1)).toBeGreaterThanOrEqual(40_000);
});

test("a stopped run leaves an .incomplete file, and the next run asks for the rest only", async () => {
  const blobs = join(modelDir(), "blobs");
  mkdirSync(blobs, { recursive: true });
  writeFileSync(join(blobs, `${sha256(weights)}.incomplete`), weights.subarray(0, 123_456));
  const folder = await resolveModel(ID, options());
  expect(fetched("/store/model.safetensors").map(({ range }) => range)).toEqual(["bytes=123456-"]);
  expect(readFileSync(join(folder, "model.safetensors")).equals(weights)).toBe(true);
});

test("a server without ranges is read from the start again", async () => {
  const blobs = join(modelDir(), "blobs");
  mkdirSync(blobs, { recursive: true });
  writeFileSync(join(blobs, `${sha256(weights)}.incomplete`), weights.subarray(0, 1000));
  hub.fault = (path, request, response) => {
    if (path !== "/store/model.safetensors") return false;
    delete request.headers.range;
    sendBytes(request, response, weights);
    return true;
  };
  const folder = await resolveModel(ID, options());
  expect(readFileSync(join(folder, "model.safetensors")).equals(weights)).toBe(true);
});

test("a file whose hash differs is deleted and reported, large and small ones alike", async () => {
  for (const [name, damaged] of [
    ["model.safetensors", Buffer.alloc(weights.length)],
    ["generation_config.json", Buffer.from('{"model_type":"t6"}')],
  ] as const) {
    rmSync(modelDir(), { recursive: true, force: true });
    hub.fault = (path, request, response) => {
      if (path !== `/store/${name}` && path !== `/${ID}/resolve/${COMMIT}/${name}`) return false;
      sendBytes(request, response, damaged);
      return true;
    };
    await expect(resolveModel(ID, options())).rejects.toThrow(
      new RegExp(`the Hub says .* \\(acme/tiny-t5, ${name}\\).*It was deleted`),
    );
    expect(readdirSync(join(modelDir(), "blobs")).filter((blob) => blob.endsWith(".incomplete"))).toEqual([]);
  }
});

test("429 waits as long as Retry-After says, then goes on; without end it is a rate-limit error", async () => {
  const times: number[] = [];
  hub.fault = (path, _request, response) => {
    if (!path.includes("/revision/")) return false;
    times.push(Date.now());
    if (times.length > 1) return false;
    json(response, 429, { error: "rate limited" }, { "retry-after": "1" });
    return true;
  };
  await resolveModel(ID, options());
  const [first = 0, second = 0] = times;
  expect(second - first).toBeGreaterThanOrEqual(990);
  hub.fault = (_path, _request, response) => json(response, 429, {});
  await expect(resolveModel(ID, options())).rejects.toThrow(
    "allows no more requests for now (acme/tiny-t5). Try again in a few minutes",
  );
});

test("a name that is no model, a wrong revision, a gated and a private model each say what to do", async () => {
  await expect(resolveModel("acme/none", options())).rejects.toThrow(
    /neither a folder here nor a model on 127\.0\.0\.1.* \(acme\/none\)/,
  );
  await expect(resolveModel(ID, options({ revision: "v9" }))).rejects.toThrow('no revision "v9"');
  hub.fault = (_path, _request, response) => json(response, 401, {});
  await expect(resolveModel(ID, options())).rejects.toThrow("no such model, or it is private or gated");
  await expect(resolveModel(ID, options({ token: "hf_wrong" }))).rejects.toThrow("refuses access (401)");
  hub.fault = (_path, _request, response) => json(response, 403, {}, { "x-error-code": "GatedRepo" });
  await expect(resolveModel(ID, options({ token: "hf_x" }))).rejects.toThrow(/the model is gated.*Accept its terms/);
});

test("HF_TOKEN and HF_ENDPOINT are used", async () => {
  vi.stubEnv("HF_TOKEN", "hf_secret");
  vi.stubEnv("HF_ENDPOINT", `${hub.url}/`);
  await resolveModel(ID, { cacheDir });
  expect(hub.requests.every(({ authorization }) => authorization === "Bearer hf_secret")).toBe(true);
});

test("without a network the cache serves; without a cache the error names the local folder as a way", async () => {
  const folder = await resolveModel(ID, options());
  await hub.close();
  expect(await resolveModel(ID, options())).toBe(folder);
  rmSync(modelDir(), { recursive: true });
  await expect(resolveModel(ID, options())).rejects.toThrow(/cannot be reached: .*ECONNREFUSED.*--model DIR/);
});

test("offline mode asks no server", async () => {
  vi.stubEnv("HF_HUB_OFFLINE", "1");
  await expect(resolveModel(ID, options())).rejects.toThrow("offline mode is on (HF_HUB_OFFLINE)");
  const folder = await resolveModel(ID, options({ offline: false }));
  hub.requests.length = 0;
  expect(await resolveModel(ID, options())).toBe(folder);
  expect(hub.requests).toEqual([]);
});

test("a repository without safetensors or without a tokenizer is refused before anything is fetched", async () => {
  hub.files.delete("model.safetensors");
  await expect(resolveModel(ID, options())).rejects.toThrow("the repository has no model.safetensors (acme/tiny-t5)");
  hub.files.delete("tokenizer.json");
  await expect(resolveModel(ID, options())).rejects.toThrow("the repository has no tokenizer.json");
  expect(existsSync(modelDir())).toBe(false);
});

test("a model larger than the disk is refused before it is fetched", async () => {
  hub.fault = (path, _request, response) => {
    if (!path.includes("/tree/")) return false;
    const entry = (name: string, size: number) => ({ type: "file", path: name, size, oid: "a".repeat(40) });
    const small = ["config.json", "tokenizer.json", "tokenizer_config.json"].map((name) => entry(name, 2));
    json(response, 200, [...small, entry("model.safetensors", 1e18)]);
    return true;
  };
  await expect(resolveModel(ID, options())).rejects.toThrow(/the model needs \d+ MB, \d+ MB are free/);
  expect(fetched("config.json")).toEqual([]);
});

test("a server that is no Hub is named", async () => {
  hub.fault = (_path, _request, response) => response.end("<html>welcome</html>") !== undefined;
  await expect(resolveModel(ID, options())).rejects.toThrow("does not answer as a Hub does");
});

test("a local folder is returned as it is; one without config.json and a name that no model can have are refused", async () => {
  const folder = join(cacheDir, "local");
  mkdirSync(folder);
  await expect(resolveModel(folder)).rejects.toThrow(`the folder has no config.json (${folder})`);
  writeFileSync(join(folder, "config.json"), "{}");
  expect(await resolveModel(folder)).toBe(folder);
  for (const name of ["./nowhere", "/no/where", "a/b/c", "../no-such-folder", "a--b", "acme/..", ""]) {
    await expect(resolveModel(name, options())).rejects.toThrow("neither a folder that exists nor a name");
  }
  await expect(resolveModel(ID, options({ revision: "../../x" }))).rejects.toThrow("not a revision");
  expect(lstatSync(folder).isDirectory()).toBe(true);
  expect(hub.requests).toEqual([]);
});

test("a Hub that cannot be reached is tried again and said so, a name without an address only once more", async () => {
  const lines: string[] = [];
  const onRetry = (line: string): void => void lines.push(line);
  // port 1 answers nothing; .invalid never has an address (RFC 2606)
  await expect(resolveModel(ID, options({ endpoint: "http://127.0.0.1:1", onRetry }))).rejects.toThrow(
    /127\.0\.0\.1:1 cannot be reached.*Check the network/,
  );
  expect(lines).toHaveLength(3);
  expect(lines[0]).toMatch(/cannot be reached.*; retrying \(1 of 3\) \.\.\.$/);
  lines.length = 0;
  await expect(resolveModel(ID, options({ endpoint: "http://hub.invalid", onRetry }))).rejects.toThrow(
    "hub.invalid cannot be reached",
  );
  expect(lines).toHaveLength(1);
});

test("a model to be served is a folder or in the cache, and nothing is fetched", async () => {
  await expect(resolveCachedModel(ID, { cacheDir })).rejects.toThrow(
    `the model is neither a folder here nor in the Hub cache (${ID}). Name the folders`,
  );
  const folder = await resolveModel(ID, options());
  hub.requests.length = 0;
  expect(await resolveCachedModel(ID, { cacheDir })).toBe(folder);
  expect(await resolveCachedModel(folder)).toBe(folder);
  expect(hub.requests).toEqual([]);
});

test("a file in the cache that is damaged is named, with or without a server, and what to do", async () => {
  const folder = await resolveModel(ID, options());
  const blob = join(modelDir(), "blobs", sha256(weights));
  writeFileSync(blob, Buffer.alloc(weights.length));
  const told =
    /model\.safetensors in the Hub cache is damaged: it has hash \w{12}…, not \w{12}… .*Delete this file and run again/;
  await expect(resolveModel(ID, options())).rejects.toThrow(told);
  await expect(resolveModel(ID, options({ offline: true }))).rejects.toThrow(told);
  await expect(resolveModel(ID, options({ revision: COMMIT }))).rejects.toThrow(told);
  rmSync(blob);
  expect(await resolveModel(ID, options())).toBe(folder);
  expect(readFileSync(join(folder, "model.safetensors")).equals(weights)).toBe(true);
});

test("a revision can be pinned after the id", async () => {
  const folder = await resolveModel(`${ID}@${COMMIT}`, options());
  expect(folder).toBe(join(modelDir(), "snapshots", COMMIT));
  hub.requests.length = 0;
  expect(await resolveModel(`${ID}@${COMMIT}`, options())).toBe(folder);
  expect(hub.requests).toEqual([]);
  await expect(resolveModel(`${ID}@v9`, options())).rejects.toThrow('no revision "v9" (acme/tiny-t5)');
});

test.each([
  [
    "is no T5",
    { "config.json": { model_type: "bert" } },
    'model_type "bert" is not supported (acme/tiny-t5, config.json)',
  ],
  [
    "is a variant that is not supported",
    { "config.json": { ...nanoConfig(size), feed_forward_proj: "gated-relu" } },
    'feed_forward_proj "gated-relu" is not supported',
  ],
  [
    "has more tokens than rows",
    { "config.json": { ...nanoConfig(size), vocab_size: size - 5 } },
    /the tokenizer has \d+ ids, the model's embedding \d+ rows \(acme\/tiny-t5, tokenizer\.json\)/,
  ],
  [
    "has a tokenizer that is none",
    { "tokenizer.json": [] },
    "no added_tokens and model (acme/tiny-t5, tokenizer.json)",
  ],
])("a model that %s is refused before its weights are fetched", async (_, files, message) => {
  for (const [name, content] of Object.entries(files)) hub.files.set(name, Buffer.from(JSON.stringify(content)));
  await expect(resolveModel(ID, options())).rejects.toThrow(message);
  expect(fetched("model.safetensors")).toEqual([]);
});

test("a server that sends more or fewer bytes than the Hub said is not believed", async () => {
  for (const sent of [Buffer.concat([weights, Buffer.alloc(10)]), weights.subarray(0, 1000)]) {
    hub.fault = (path, request, response) => {
      if (path !== "/store/model.safetensors") return false;
      if (request.headers.range === undefined) return sendBytes(request, response, sent);
      response.writeHead(416).end();
      return true;
    };
    await expect(resolveModel(ID, options())).rejects.toThrow(
      /cannot be reached: (it sent more than|the connection ended after|it did not send)/,
    );
    expect(existsSync(join(modelDir(), "blobs", sha256(weights)))).toBe(false);
  }
});

test("a repository that holds an adapter alone says so", async () => {
  hub.files.clear();
  hub.files.set("adapter_config.json", Buffer.from("{}"));
  await expect(resolveModel(ID, options())).rejects.toThrow("the repository holds an adapter, not a model");
});

test("an adapter folder brings its base: fetched where it is not in the cache", async () => {
  const folder = join(cacheDir, "adapter");
  mkdirSync(folder);
  const config = { peft_type: "LORA", r: 2, lora_alpha: 4, target_modules: ["q"], base_model_name_or_path: ID };
  writeFileSync(join(folder, "adapter_config.json"), JSON.stringify({ ...config, revision: COMMIT }));
  await expect(resolveModel(folder, options({ offline: true }))).rejects.toThrow("the model is not in the cache");
  expect(await resolveModel(folder, options())).toBe(folder);
  expect(existsSync(join(modelDir(), "snapshots", COMMIT, "model.safetensors"))).toBe(true);
});
