// What `auto` takes, and whose setting wins: each in a process of its own, since a backend is started once a process.

import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { nativeIsInstalled } from "../../../src/train/tensorflow/tensorflow.ts";

const root = join(import.meta.dirname, "../../..");

function run(program: string, env: Record<string, string>): { out: string; error: string } {
  const args = ["--import", "tsx", "--input-type=module", "-e", program];
  const { NODE_OPTIONS: _, TF_ENABLE_ONEDNN_OPTS: __, STEPWISE_BACKEND: ___, ...inherited } = process.env;
  const { stdout, stderr } = spawnSync(process.execPath, args, {
    cwd: root,
    encoding: "utf8",
    env: { ...inherited, ...env },
  });
  return { out: stdout.trim(), error: stderr };
}

const START = `
  const { describeBackend, startTensorflow } = await import("./src/train/tensorflow/tensorflow.ts");
  console.log(describeBackend(await startTensorflow()));
`;

describe("without a word, the backend is", { timeout: 60_000 }, () => {
  test("native TensorFlow where it is installed, else onnxruntime", () => {
    expect(run(START, {}).out).toMatch(nativeIsInstalled() ? /^TensorFlow \(native\)$/ : /^onnxruntime /);
  });

  test("the one that the environment names", () => {
    expect(run(START, { STEPWISE_BACKEND: "wasm" }).out).toMatch(/^WebAssembly /);
    expect(run(START, { STEPWISE_BACKEND: "onnxruntime" }).out).toMatch(/^onnxruntime /);
  });

  test("none where the environment names none that there is", () => {
    expect(run(START, { STEPWISE_BACKEND: "gpu" }).error).toContain('there is no backend "gpu"');
  });
});

describe.skipIf(!nativeIsInstalled())("oneDNN's kernels", { timeout: 60_000 }, () => {
  const program = `
    const { startTensorflow } = await import("./src/train/tensorflow/tensorflow.ts");
    const { kernelsOf } = await import("./src/train/checks/speed/processor.ts");
    console.log(kernelsOf(await startTensorflow("tensorflow")));
  `;

  test("are taken on every processor", () => expect(run(program, {}).out).toBe("oneDNN"));

  test("are left where the user said so", () => {
    expect(run(program, { TF_ENABLE_ONEDNN_OPTS: "0" }).out).toBe("Eigen");
  });
});
