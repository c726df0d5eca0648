// The whole ladder with real pip, real g++ and a real N-API binding; only the wheel is small: its two "TensorFlow" libraries
// are compiled here and multiply 2x2 matrices.

import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { bindingFile, checkBinding, tfjsNodeDir } from "../../../../src/train/tensorflow/setup/binding.ts";
import { nodeHeaderFolders } from "../../../../src/train/tensorflow/setup/build-binding.ts";
import { setupTensorFlow } from "../../../../src/train/tensorflow/setup/setup-tensorflow.ts";

const has = (command: string, ...args: string[]) => spawnSync(command, args).status === 0;
const canBuild =
  process.platform === "linux" &&
  has("g++", "--version") &&
  has("python3", "-m", "pip", "--version") &&
  nodeHeaderFolders(tfjsNodeDir()).some((folder) => existsSync(join(folder, "node_api.h")));

const FRAMEWORK = `extern "C" double product(double a, double b) { return a * b; }`;
const CC = `extern "C" double product(double, double); extern "C" double sum_of_products(double a, double b, double c, double d) { return product(a, b) + product(c, d); }`;
const HEADER = `extern "C" double sum_of_products(double a, double b, double c, double d);`;
const BINDING = `
#include <node_api.h>
#include "tensorflow/c/c_api.h"
static napi_value Dot(napi_env env, napi_callback_info info) {
  size_t count = 4; napi_value args[4]; double v[4];
  napi_get_cb_info(env, info, &count, args, nullptr, nullptr);
  for (int i = 0; i < 4; i++) napi_get_value_double(env, args[i], &v[i]);
  napi_value result; napi_create_double(env, sum_of_products(v[0], v[1], v[2], v[3]), &result); return result;
}
NAPI_MODULE_INIT() {
  napi_value dot, version;
  napi_create_function(env, "dot", NAPI_AUTO_LENGTH, Dot, nullptr, &dot); napi_set_named_property(env, exports, "dot", dot);
  napi_create_string_utf8(env, "2.21.0", NAPI_AUTO_LENGTH, &version); napi_set_named_property(env, exports, "TF_Version", version);
  return exports;
}`;
const INDEX = `
const { dot } = require("./lib/napi-v8/tfjs_binding.node");
exports.tensor2d = (rows) => rows;
exports.matMul = ([[a, b], [c, d]], [[e, f], [g, h]]) => ({ dataSync: () => [dot(a, e, b, g), dot(a, f, b, h), dot(c, e, d, g), dot(c, f, d, h)] });
`;

let root: string;
let packageDir: string;
let cacheDir: string;
let lines: string[];
const say = (line: string) => void lines.push(line);

/** A wheel as pip wants it: a zip with a dist-info folder, made with Python's zipfile. */
function makeWheel(folder: string): void {
  const source = join(root, "wheel-source");
  mkdirSync(join(source, "tensorflow/include/tensorflow/c"), { recursive: true });
  const library = (name: string, code: string, ...more: string[]) => {
    writeFileSync(join(root, `${name}.cc`), code);
    execFileSync("g++", [
      "-shared",
      "-fPIC",
      join(root, `${name}.cc`),
      "-o",
      join(source, "tensorflow", name),
      ...more,
    ]);
  };
  library("libtensorflow_framework.so.2", FRAMEWORK, "-Wl,-soname,libtensorflow_framework.so.2");
  const framework = [`-L${join(source, "tensorflow")}`, "-l:libtensorflow_framework.so.2"];
  library("libtensorflow_cc.so.2", CC, "-Wl,-soname,libtensorflow_cc.so.2", "-Wl,-rpath,$ORIGIN", ...framework);
  writeFileSync(join(source, "tensorflow/include/tensorflow/c/c_api.h"), HEADER);
  writeFileSync(join(source, "tensorflow/not_needed.py"), "");
  const info = join(source, "tensorflow_cpu-2.21.0.dist-info");
  mkdirSync(info);
  writeFileSync(join(info, "METADATA"), "Metadata-Version: 2.1\nName: tensorflow-cpu\nVersion: 2.21.0\n");
  writeFileSync(join(info, "WHEEL"), "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n");
  writeFileSync(join(info, "RECORD"), "");
  mkdirSync(folder);
  const wheel = join(folder, "tensorflow_cpu-2.21.0-py3-none-any.whl");
  execFileSync("python3", ["-m", "zipfile", "-c", wheel, join(source, "tensorflow"), info]);
}

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "setup-tensorflow-"));
  if (canBuild) makeWheel(join(root, "wheels"));
});

afterAll(() => rmSync(root, { recursive: true, force: true }));

beforeEach(() => {
  lines = [];
  packageDir = mkdtempSync(join(root, "package-"));
  cacheDir = join(packageDir, "cache");
  mkdirSync(join(packageDir, "binding"));
  writeFileSync(join(packageDir, "binding/binding.cc"), BINDING);
  writeFileSync(join(packageDir, "package.json"), JSON.stringify({ version: "4.22.0", main: "index.js" }));
  writeFileSync(join(packageDir, "index.js"), INDEX);
  mkdirSync(join(packageDir, "scripts"));
  writeFileSync(join(packageDir, "scripts/install.js"), "process.exit(1)");
  // the bucket is a port where nobody listens; pip sees the one folder of wheels and no index
  vi.stubEnv("TFJS_NODE_CDN_STORAGE", "http://127.0.0.1:9/");
  vi.stubEnv("PIP_NO_INDEX", "1");
  vi.stubEnv("PIP_FIND_LINKS", join(root, "wheels"));
  return () => vi.unstubAllEnvs();
});

describe.skipIf(!canBuild)("with pip and g++", () => {
  test("an unreachable installer falls over to a build against pip's libraries", async () => {
    expect(await setupTensorFlow({ packageDir, cacheDir, say })).toEqual({ rung: "pip", tensorflow: "2.21.0" });
    expect(lines).toContain("tfjs-node's installer: 127.0.0.1:9 cannot be reached");
    expect(readdirSync(cacheDir)).toEqual(["tensorflow-2.21.0"]);
    expect(readdirSync(join(cacheDir, "tensorflow-2.21.0")).sort()).toEqual([
      "setup.json",
      "tensorflow",
      "tfjs_binding.node",
    ]);
    expect(existsSync(join(cacheDir, "tensorflow-2.21.0/tensorflow/not_needed.py"))).toBe(false);
  });

  test("a second run does nothing, and a run after npm ci copies the cached binding", async () => {
    await setupTensorFlow({ packageDir, cacheDir });
    expect(await setupTensorFlow({ packageDir, cacheDir })).toEqual({ rung: "present", tensorflow: "2.21.0" });
    rmSync(join(packageDir, "lib"), { recursive: true });
    vi.stubEnv("PIP_FIND_LINKS", join(root, "nowhere"));
    expect(await setupTensorFlow({ packageDir, cacheDir })).toEqual({ rung: "cache", tensorflow: "2.21.0" });
    expect(await checkBinding(packageDir)).toEqual({ works: true, tensorflow: "2.21.0" });
  });

  test("a cached binding whose checksum differs is built again from the cached libraries, without pip", async () => {
    await setupTensorFlow({ packageDir, cacheDir });
    rmSync(join(packageDir, "lib"), { recursive: true });
    writeFileSync(join(cacheDir, "tensorflow-2.21.0/tfjs_binding.node"), "damaged");
    vi.stubEnv("PIP_FIND_LINKS", join(root, "nowhere"));
    expect(await setupTensorFlow({ packageDir, cacheDir, say })).toEqual({ rung: "pip", tensorflow: "2.21.0" });
    expect(lines.join("\n")).toContain("checksum differs");
  });

  test("a cache that was moved is not trusted: its binding fails the check and is taken away", async () => {
    await setupTensorFlow({ packageDir, cacheDir });
    const moved = join(packageDir, "moved");
    cpSync(cacheDir, moved, { recursive: true });
    rmSync(cacheDir, { recursive: true });
    rmSync(join(packageDir, "lib"), { recursive: true });
    expect(await setupTensorFlow({ packageDir, cacheDir: moved, say })).toEqual({ rung: "pip", tensorflow: "2.21.0" });
    expect(lines.join("\n")).toMatch(/cache .*moved: .*libtensorflow/);
  });

  test("a compiler error is told, and nothing half-made stays", async () => {
    writeFileSync(join(packageDir, "binding/binding.cc"), "#include <no_such_header.h>\n");
    const failure = await setupTensorFlow({ packageDir, cacheDir }).catch((error: unknown) => String(error));
    expect(failure).toContain("no_such_header.h");
    expect(existsSync(bindingFile(packageDir))).toBe(false);
    expect(readdirSync(join(cacheDir, "tensorflow-2.21.0"))).toEqual(["tensorflow"]);
  });
});

test("when no rung holds, the error names the reason of each and what trains without it", async () => {
  vi.stubEnv("PIP_FIND_LINKS", join(root, "nowhere"));
  const failure = await setupTensorFlow({ packageDir, cacheDir, say }).catch((error: unknown) => String(error));
  expect(failure).toContain("native TensorFlow could not be set up");
  expect(failure).toContain("tfjs-node's installer: 127.0.0.1:9 cannot be reached");
  expect(failure).toContain("build against pip's TensorFlow:");
  expect(failure).toContain("on onnxruntime or WebAssembly (--backend auto)");
  expect(existsSync(bindingFile(packageDir))).toBe(false);
});

test("the installer's edits to its package.json are undone when it fails", async () => {
  const { createServer } = await import("node:http");
  const bucket = createServer((_request, response) => response.end()).listen(0);
  const address = bucket.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  vi.stubEnv("TFJS_NODE_CDN_STORAGE", `http://127.0.0.1:${address.port}/`);
  vi.stubEnv("PIP_FIND_LINKS", join(root, "nowhere"));
  writeFileSync(
    join(packageDir, "scripts/install.js"),
    `require("fs").writeFileSync("package.json", "{}"); throw new Error("half way");`,
  );
  const before = readFileSync(join(packageDir, "package.json"), "utf8");
  try {
    await expect(setupTensorFlow({ packageDir, cacheDir, say })).rejects.toThrow("native TensorFlow");
  } finally {
    bucket.close();
  }
  expect(readFileSync(join(packageDir, "package.json"), "utf8")).toBe(before);
  expect(lines.join("\n")).toContain("half way");
});
