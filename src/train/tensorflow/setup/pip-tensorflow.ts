// Rung 2, first half: TensorFlow's shared libraries and C headers, out of the wheel that pip downloads.
// Nothing of Python is used but pip and its zipfile module; the libraries do not depend on a Python version.

import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { StepwiseError } from "../../../shared/errors.ts";
import { runCommand } from "./run-command.ts";

export const TENSORFLOW_VERSION = "2.21.0";
export const TENSORFLOW_LIBRARIES = ["libtensorflow_cc.so.2", "libtensorflow_framework.so.2"] as const;

const DOWNLOAD_TIMEOUT_MS = 30 * 60_000;
const UNPACK_TIMEOUT_MS = 10 * 60_000;

// Only the C API's headers are needed; they include a few of tsl's and xla's.
const UNPACK = `
import sys, zipfile
headers = tuple("tensorflow/include/" + d for d in ("tensorflow/c/", "tensorflow/core/platform/", "tensorflow/tsl/", "tsl/", "xla/tsl/c/"))
with zipfile.ZipFile(sys.argv[1]) as wheel:
    for name in wheel.namelist():
        if name in sys.argv[3:] or (name.startswith(headers) and name.endswith(".h")):
            wheel.extract(name, sys.argv[2])
`;

/**
 * Downloads TensorFlow's wheel into `folder` and unpacks libraries and headers to `folder/tensorflow`; the wheel is deleted.
 * Returns TensorFlow's version. Throws StepwiseError with the last thing pip said.
 */
export async function downloadTensorFlow(
  folder: string,
  say: (line: string) => void,
  signal?: AbortSignal,
): Promise<string> {
  const python = await findPip(signal);
  await mkdir(folder, { recursive: true });
  const name = process.arch === "arm64" ? "tensorflow" : "tensorflow-cpu";
  const pinned = `${name}==${TENSORFLOW_VERSION}`;
  // a wheel for another Python serves as well: its shared libraries are the same
  const attempts = [[pinned], [pinned, "--only-binary=:all:", "--python-version", "3.12"], [name]];
  let reason = "";
  for (const [index, what] of attempts.entries()) {
    if (index === 2) say(`${pinned} is not offered here (${reason}); trying the latest version`);
    const pip = await runCommand(
      python,
      [
        "-m",
        "pip",
        "download",
        "--no-deps",
        "--no-cache-dir",
        "--disable-pip-version-check",
        "--dest",
        folder,
        ...what,
      ],
      { timeoutMs: DOWNLOAD_TIMEOUT_MS, showOutput: process.stdout.isTTY, signal },
    );
    if (pip.code === 0) return unpackWheel(python, folder, signal);
    reason = pip.reason;
    if (signal?.aborted === true) break;
  }
  throw new StepwiseError({ code: "pip_failed", what: `pip could not download ${name}: ${reason}` });
}

async function unpackWheel(python: string, folder: string, signal: AbortSignal | undefined): Promise<string> {
  const wheel = (await readdir(folder)).find((name) => name.endsWith(".whl"));
  const version = wheel === undefined ? undefined : /^tensorflow(?:_cpu)?-([\w.]+)-/.exec(wheel)?.[1];
  if (wheel === undefined || version === undefined) {
    throw new StepwiseError({
      code: "no_wheel",
      what: `pip downloaded no TensorFlow wheel${wheel === undefined ? "" : ` but ${wheel}`}`,
    });
  }
  const libraries = TENSORFLOW_LIBRARIES.map((library) => `tensorflow/${library}`);
  const unpack = await runCommand(python, ["-c", UNPACK, join(folder, wheel), folder, ...libraries], {
    timeoutMs: UNPACK_TIMEOUT_MS,
    signal,
  });
  await rm(join(folder, wheel), { force: true });
  if (unpack.code !== 0)
    throw new StepwiseError({ code: "unpack_failed", what: `${wheel} could not be unpacked: ${unpack.reason}` });
  return version;
}

async function findPip(signal: AbortSignal | undefined): Promise<string> {
  let reason = "";
  for (const python of ["python3", "python"]) {
    const found = await runCommand(python, ["-m", "pip", "--version"], { timeoutMs: 30_000, signal });
    if (found.code === 0) return python;
    reason ||= found.reason;
  }
  throw new StepwiseError({ code: "no_pip", what: `python3 with pip is needed: ${reason}` });
}
