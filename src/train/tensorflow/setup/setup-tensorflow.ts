// Gets the native half of tfjs-node, by the first rung that holds: it is there; it is in the cache; the package's own
// installer; a build against the TensorFlow that pip offers. Without it the trainer runs on WebAssembly.

import { mkdir, mkdtemp, rename, rm, statfs } from "node:fs/promises";
import { join } from "node:path";
import { CapacityError, StepwiseError } from "../../../shared/errors.ts";
import { bindingFile, checkBinding, tfjsNodeDir } from "./binding.ts";
import { buildBinding } from "./build-binding.ts";
import {
  cachedBindingFile,
  copyAtomic,
  defaultCacheDir,
  hasTensorFlow,
  installCachedBinding,
  packageVersion,
  recordBinding,
} from "./cached-binding.ts";
import { runPackageInstaller } from "./package-installer.ts";
import { downloadTensorFlow, TENSORFLOW_LIBRARIES, TENSORFLOW_VERSION } from "./pip-tensorflow.ts";

const NEEDED_MB = 1300;

export interface SetupOptions {
  /** Builds anew even when a working binding is there. */
  force?: boolean;
  cacheDir?: string;
  /** Folder of tfjs-node; the installed one by default. */
  packageDir?: string;
  say?: (line: string) => void;
  signal?: AbortSignal;
}

export interface SetupResult {
  rung: "present" | "cache" | "installer" | "pip";
  /** Version of the TensorFlow library that the binding loaded. */
  tensorflow: string;
}

/**
 * Makes native TensorFlow work for tfjs-node, or throws StepwiseError `no_tensorflow` with the reason of every rung.
 * A second call finds the binding or its cached copy and downloads nothing.
 */
export async function setupTensorFlow(options: SetupOptions = {}): Promise<SetupResult> {
  const { force = false, cacheDir = defaultCacheDir(), packageDir = tfjsNodeDir(), say = () => {}, signal } = options;
  const reasons: string[] = [];

  /** One rung: try it, then see whether the binding works; a binding that does not is taken away again. */
  const climb = async (
    rung: SetupResult["rung"],
    label: string,
    attempt: () => Promise<string | undefined>,
  ): Promise<SetupResult | undefined> => {
    if (signal?.aborted === true) throw interrupted();
    const failure = await attempt().catch(describe);
    const check =
      failure === undefined ? await checkBinding(packageDir, signal) : { works: false as const, reason: failure };
    if (check.works) return { rung, tensorflow: check.tensorflow };
    if (failure === undefined && rung !== "present") await rm(bindingFile(packageDir), { force: true });
    reasons.push(`${label}: ${check.reason}`);
    if (rung !== "present") say(`${label}: ${check.reason}`);
    return undefined;
  };

  if (!force) {
    const found =
      (await climb("present", "binding in node_modules", async () => undefined)) ??
      (await climb("cache", `cache ${cacheDir}`, () => installCachedBinding(cacheDir, packageDir)));
    if (found !== undefined) return found;
  }
  const installed = await climb("installer", "tfjs-node's installer", () => runPackageInstaller(packageDir, signal));
  if (installed !== undefined) return installed;
  let folder = "";
  const built = await climb("pip", "build against pip's TensorFlow", async () => {
    if (process.platform !== "linux") return `done on Linux only, this is ${process.platform}`;
    folder = await buildAgainstPip({ cacheDir, packageDir, say, signal, force });
    return undefined;
  });
  if (built !== undefined) {
    await recordBinding(folder, { tensorflow: built.tensorflow, tfjsNode: await packageVersion(packageDir) });
    return built;
  }
  if (signal?.aborted === true) throw interrupted();
  throw new StepwiseError({
    code: "no_tensorflow",
    what: `native TensorFlow could not be set up:\n${reasons.map((reason) => `  - ${reason}`).join("\n")}\n`,
    fix: "Training works without it, on onnxruntime or WebAssembly (--backend auto).",
  });
}

/** Downloads what is missing, compiles, puts the binding in its place; returns the cache folder. */
async function buildAgainstPip(options: {
  cacheDir: string;
  packageDir: string;
  say: (line: string) => void;
  signal: AbortSignal | undefined;
  force: boolean;
}): Promise<string> {
  const { cacheDir, packageDir, say, signal, force } = options;
  await mkdir(cacheDir, { recursive: true });
  let folder = join(cacheDir, `tensorflow-${TENSORFLOW_VERSION}`);
  if (force || !(await hasTensorFlow(folder, TENSORFLOW_LIBRARIES))) {
    const disk = await statfs(cacheDir);
    const freeMb = Math.floor((disk.bavail * disk.bsize) / 1e6);
    if (freeMb < NEEDED_MB)
      throw new CapacityError({
        code: "disk_full",
        what: `${freeMb} MB are free, ${NEEDED_MB} MB are needed`,
        where: cacheDir,
      });
    say(`downloading TensorFlow ${TENSORFLOW_VERSION} with pip (about 270 MB; 860 MB unpacked, in ${cacheDir})`);
    const temporary = await mkdtemp(join(cacheDir, ".download-"));
    try {
      const version = await downloadTensorFlow(join(temporary, "new"), say, signal);
      folder = join(cacheDir, `tensorflow-${version}`);
      await rename(folder, join(temporary, "replaced")).catch(() => {});
      await rename(join(temporary, "new"), folder);
    } finally {
      await rm(temporary, { recursive: true, force: true });
    }
  }
  say("compiling the binding with g++");
  const tensorflowDir = join(folder, "tensorflow");
  const output = `${cachedBindingFile(folder)}.${process.pid}.tmp`;
  try {
    await buildBinding({ packageDir, tensorflowDir, libraryDir: tensorflowDir, output, signal });
    await rename(output, cachedBindingFile(folder));
  } finally {
    await rm(output, { force: true });
  }
  await copyAtomic(cachedBindingFile(folder), bindingFile(packageDir));
  return folder;
}

function interrupted(): StepwiseError {
  return new StepwiseError({
    code: "interrupted",
    what: "set-up was interrupted",
    fix: "Run it again: npm run setup:tensorflow",
  });
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
