// What is laid out for the worker before it starts: the models, the runtime's wasm, and a bundle within the platform's limits.

import { mkdir, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { deployWorker } from "../../src/infer/deploy-worker.ts";
import { prepareEdgeModels } from "../../src/infer/edge-models.ts";
import { importedMemoryFlag, prepareEdgeWasm, withStack } from "../../src/infer/edge-wasm.ts";
import { PROJECT_ROOT } from "../../src/infer/local-worker.ts";
import { hasKey, openToAll } from "../../src/infer/open-to-all.ts";
import { CapacityError } from "../../src/shared/errors.ts";
import { exportTinyModel } from "./tiny-model.ts";

let model: Awaited<ReturnType<typeof exportTinyModel>>;
let folder: string;

beforeAll(async () => {
  model = await exportTinyModel();
  folder = await mkdtemp(join(tmpdir(), "stepwise-files-"));
});
afterAll(async () => {
  await model.remove();
  await rm(folder, { recursive: true, force: true });
});

describe("models", () => {
  test("only the files of one weight type are laid out, beside the manifest", async () => {
    const assetsDir = join(folder, "one");
    const models = await prepareEdgeModels({ policyDir: model.dir, rewardDir: model.dir, assetsDir, dtype: "fp32" });
    expect([models.policy, models.reward]).toEqual(["policy", "policy"]);
    expect((await readdir(assetsDir, { recursive: true })).sort()).toEqual([
      "policy",
      "policy/config.json",
      "policy/generation_config.json",
      "policy/onnx",
      "policy/onnx/decoder_model_merged.onnx",
      "policy/onnx/encoder_model.onnx",
      "policy/stepwise_manifest.json",
      "policy/tokenizer.json",
      "policy/tokenizer_config.json",
    ]);
  });

  test("a weight type that was not exported is refused with the command that exports it", async () => {
    const [policyDir, assetsDir] = [model.dir, join(folder, "none")];
    const prepared = prepareEdgeModels({ policyDir, rewardDir: policyDir, assetsDir, dtype: "q4" });
    await expect(prepared).rejects.toThrow(/no q4 graphs are exported .*--dtype fp32,int8,q4$/);
  });

  test("a second layout replaces the first, and a failed one leaves it alone", async () => {
    const assetsDir = join(folder, "two");
    const other = await exportTinyModel("t5-v1.0");
    try {
      const prepare = (policyDir: string) =>
        prepareEdgeModels({ policyDir, rewardDir: other.dir, assetsDir, dtype: "int8" });
      expect((await prepare(model.dir)).reward).toBe("reward");
      await truncate(join(other.dir, "onnx/encoder_model_quantized.onnx"), 10);
      await expect(prepare(other.dir)).rejects.toThrow(/10 bytes, the manifest says \d+/);
      const manifest: unknown = JSON.parse(await readFile(join(assetsDir, "policy/stepwise_manifest.json"), "utf8"));
      expect(manifest).toMatchObject({ model: "tiny-t5-v1.1" });
      expect((await readdir(assetsDir)).sort()).toEqual(["policy", "reward"]);
    } finally {
      await other.remove();
    }
  });
});

describe("wasm", () => {
  // a module with one function import and one memory import of the given limits flag
  const module = (flag: number) => [
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0], // header
    ...[1, 4, 1, 0x60, 0, 0], // type section: () -> ()
    ...[2, 14, 2, 1, 0x61, 1, 0x66, 0, 0, 1, 0x61, 1, 0x6d, 2, flag, 1, 2], // imports: func a.f, memory a.m
  ];

  test("the flag of the imported memory is found behind other imports", () => {
    const bytes = Uint8Array.from(module(3));
    expect(importedMemoryFlag(bytes)).toBe(bytes.length - 3);
    expect(importedMemoryFlag(Uint8Array.from(module(3).slice(0, 14)))).toBeUndefined();
  });

  test("the worker's wasm differs from the shipped one in that byte and in the stack's top", async () => {
    const path = join(folder, "ort.wasm");
    await prepareEdgeWasm(path);
    const prepared = await readFile(path);
    const shipped = await readFile(
      createRequire(import.meta.url).resolve("onnxruntime-web/ort-wasm-simd-threaded.wasm"),
    );
    const flag = importedMemoryFlag(shipped) ?? -1;
    expect([shipped[flag], prepared[flag]]).toEqual([3, 1]);
    prepared[flag] = 3;
    expect(withStack(shipped, 2 ** 20)?.length).toBe(shipped.length);
    expect(prepared.equals(withStack(shipped, 2 ** 20) ?? Buffer.alloc(0))).toBe(true);
    expect(prepared.reduce((count, byte, i) => count + (byte === shipped[i] ? 0 : 1), 0)).toBeLessThanOrEqual(12);
  });

  test("the stack's top is changed where it is named, and nowhere else", () => {
    // i32.const of 0x603080 (6 MB) and of 0x103080, four LEB128 digits each
    const [top, bottom] = [
      [0x41, 0x80, 0xe1, 0x80, 0x03],
      [0x41, 0x80, 0xe1, 0xc0, 0x00],
    ];
    const described = [...top, 0x24, 8, ...bottom, 0x24, 7];
    const heap = [0x80, 0x30, 0x60, 0x00];
    const laidOut = Uint8Array.from([1, 2, ...top, 0x0b, ...described, 9, ...heap, 5]);
    // 0x103080 + 2^20 = 0x203080
    const smaller = [0x41, 0x80, 0xe1, 0x80, 0x01];
    expect(Array.from(withStack(laidOut, 2 ** 20) ?? [])).toEqual([
      ...[1, 2, ...smaller, 0x0b],
      ...[...smaller, 0x24, 8, ...bottom, 0x24, 7],
      ...[9, 0x80, 0x30, 0x20, 0x00, 5],
    ]);
    expect(withStack(laidOut, 2 ** 24)).toBeUndefined(); // larger than before
    expect(withStack(Uint8Array.from([...described, ...heap]), 2 ** 20)).toBeUndefined(); // no stack pointer
  });

  test("it is written once", async () => {
    const path = join(folder, "ort.wasm");
    const before = (await stat(path)).mtimeMs;
    await prepareEdgeWasm(path);
    expect((await stat(path)).mtimeMs).toBe(before);
  });
});

describe("deploy", () => {
  test("a dry run bundles the worker within the limits, without an account", async () => {
    const lines: string[] = [];
    await deployWorker({
      policyDir: model.dir,
      rewardDir: model.dir,
      dtype: "int8",
      dryRun: true,
      assetsDir: join(folder, "deploy"),
      say: (line) => lines.push(line),
    });
    expect(lines.join("\n")).toMatch(/script +\d+\.\d MiB of 64\.0 MiB/);
    expect(lines.join("\n")).toContain("Workers Paid");
  });

  /** A copy of the tiny model whose manifest and file of one role have another size, and perhaps another role. */
  async function grown(name: string, bytes: number, role = "encoder"): Promise<string> {
    const dir = join(folder, name);
    await mkdir(join(dir, "onnx"), { recursive: true });
    const manifest: { files: { path: string; role: string; bytes: number }[] } = JSON.parse(
      await readFile(join(model.dir, "stepwise_manifest.json"), "utf8"),
    );
    for (const file of manifest.files) {
      await writeFile(join(dir, file.path), await readFile(join(model.dir, file.path)));
      if (file.path !== "onnx/encoder_model_quantized.onnx") continue;
      await truncate(join(dir, file.path), bytes);
      file.bytes = bytes;
      file.role = role;
    }
    await writeFile(join(dir, "stepwise_manifest.json"), JSON.stringify(manifest));
    return dir;
  }
  const deploy = (dir: string, more: { assetsDir: string; configPath?: string; say?: (line: string) => void }) =>
    deployWorker({ policyDir: dir, rewardDir: dir, dtype: "int8", dryRun: true, say: () => undefined, ...more });

  test("low-memory weights count, too", async () => {
    // the decoder's role makes it a low-memory form; 81 MiB in one file that is not called .onnx there
    const dir = await grown("lean", 81 * 2 ** 20, "lean_decoder");
    const refused = deploy(dir, { assetsDir: join(folder, "deploy-lean") });
    await expect(refused).rejects.toThrow("the graphs and weights have 81.0 MiB together; above 80.0 MiB");
  });

  test("with a bucket for the models, no asset is too large, and the models are none", async () => {
    const configPath = join(PROJECT_ROOT, `wrangler.${process.pid}.test.toml`);
    const bucket = '\n[[r2_buckets]]\nbinding = "MODELS"\nbucket_name = "stepwise-models"\n';
    await writeFile(configPath, (await readFile(join(PROJECT_ROOT, "wrangler.toml"), "utf8")) + bucket);
    const assetsDir = join(folder, "deploy-bucket");
    await mkdir(join(assetsDir, "stray"), { recursive: true });
    const lines: string[] = [];
    try {
      await deploy(await grown("bucket", 26 * 2 ** 20), { assetsDir, configPath, say: (line) => lines.push(line) });
    } finally {
      await rm(configPath);
    }
    expect(lines.join("\n")).toContain("bucket        stepwise-models (R2)");
    // nothing but the pages is uploaded as assets
    expect((await readdir(assetsDir)).sort()).toEqual(["docs", "playground"]);
  });

  test("a public address is warned of, with the limit of wrangler.toml", async () => {
    const lines: string[] = [];
    await deploy(model.dir, { assetsDir: join(folder, "deploy-open"), say: (line) => lines.push(line) });
    expect(lines.join("\n")).toMatch(/warning +the address is public.*60 requests in 60 s.*STEPWISE_API_KEY/);
    expect(openToAll({ addressLimit: undefined })).toContain("at any rate");
  });

  test("whether the worker has a key is asked of Cloudflare's API, by wrangler", async () => {
    let secrets = [{ name: "STEPWISE_API_KEYS", type: "secret_text" }];
    const asked: string[] = [];
    const api = createServer((request, response) => {
      asked.push(`${request.method} ${request.url}`);
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify({ success: true, errors: [], messages: [], result: secrets }));
    });
    await new Promise<void>((resolve) => api.listen(0, "127.0.0.1", resolve));
    const { port } = api.address() as AddressInfo; // a TCP server's address is always one
    vi.stubEnv("CLOUDFLARE_API_BASE_URL", `http://127.0.0.1:${port}/client/v4`);
    vi.stubEnv("CLOUDFLARE_API_TOKEN", "a-token");
    vi.stubEnv("CLOUDFLARE_ACCOUNT_ID", "an-account");
    try {
      const configPath = join(PROJECT_ROOT, "wrangler.toml");
      expect(await hasKey(configPath)).toBe(true);
      expect(asked).toEqual(["GET /client/v4/accounts/an-account/workers/scripts/stepwise-dpo/secrets"]);
      secrets = [{ name: "OTHER", type: "secret_text" }];
      expect(await hasKey(configPath)).toBe(false);
    } finally {
      vi.unstubAllEnvs();
      api.close();
    }
    // nobody to ask
    vi.stubEnv("CLOUDFLARE_API_BASE_URL", `http://127.0.0.1:${port}/client/v4`);
    vi.stubEnv("CLOUDFLARE_API_TOKEN", "a-token");
    vi.stubEnv("CLOUDFLARE_ACCOUNT_ID", "an-account");
    expect(await hasKey(join(PROJECT_ROOT, "wrangler.toml"))).toBe(false);
    vi.unstubAllEnvs();
  });

  test("a graph over the asset limit is refused by name and size", async () => {
    const refused = deploy(await grown("large", 26 * 2 ** 20), { assetsDir: join(folder, "deploy-large") });
    await expect(refused).rejects.toThrow(CapacityError);
    await expect(refused).rejects.toThrow(
      "26.0 MiB, a static asset may have 25.0 MiB (policy/onnx/encoder_model_quantized.onnx)",
    );
  });
});
