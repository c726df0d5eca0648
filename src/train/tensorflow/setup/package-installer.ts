// Rung 1: tfjs-node's own install script. It fetches TensorFlow 2.9.1 and a ready binding from a storage bucket that many
// networks cannot reach, so the bucket is asked first, with a short limit.

import { readFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import writeFileAtomic from "write-file-atomic";
import { runCommand } from "./run-command.ts";

const ASK_TIMEOUT_MS = 5_000;
const INSTALL_TIMEOUT_MS = 10 * 60_000;

/** Runs the package's installer. Returns undefined on success, else the reason it did not work. */
export async function runPackageInstaller(packageDir: string, signal?: AbortSignal): Promise<string | undefined> {
  const host = process.env.TFJS_NODE_CDN_STORAGE ?? "https://storage.googleapis.com/";
  const behindProxy = process.env.HTTPS_PROXY ?? process.env.https_proxy;
  if (behindProxy === undefined) {
    const unreachable = await askBucket(`${host}tensorflow/libtensorflow/libtensorflow-cpu-linux-x86_64-2.9.1.tar.gz`);
    if (unreachable !== undefined) return unreachable;
  }
  const manifest = join(packageDir, "package.json");
  const before = await readFile(manifest, "utf8");
  const result = await runCommand(process.execPath, ["scripts/install.js"], {
    cwd: packageDir,
    env: {
      ...process.env,
      // node-pre-gyp's command
      PATH: [join(packageDir, "node_modules/.bin"), join(packageDir, "../../.bin"), process.env.PATH].join(delimiter),
    },
    timeoutMs: INSTALL_TIMEOUT_MS,
    signal,
  });
  // the script edits its package.json and leaves it edited when it fails
  if ((await readFile(manifest, "utf8")) !== before) await writeFileAtomic(manifest, before);
  return result.code === 0 ? undefined : result.reason;
}

async function askBucket(url: string): Promise<string | undefined> {
  try {
    const response = await fetch(url, { method: "HEAD", signal: AbortSignal.timeout(ASK_TIMEOUT_MS) });
    return response.ok ? undefined : `${new URL(url).host} answered ${response.status}`;
  } catch {
    return `${new URL(url).host} cannot be reached`;
  }
}
