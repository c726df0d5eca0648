// Putting the worker online: models and wasm prepared, the platform's size limits checked, then wrangler deploy.
// Limits: https://developers.cloudflare.com/workers/platform/limits/

import { mkdir, mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CapacityError } from "../shared/errors.ts";
import type { Dtype } from "../shared/onnx-names.ts";
import { MAX_ASSET_BYTES, prepareEdgeModels } from "./edge-models.ts";
import { prepareEdgeWasm } from "./edge-wasm.ts";
import { EDGE_WASM, PROJECT_ROOT, WRANGLER_CONFIG } from "./local-worker.ts";
import { runWrangler } from "./run-wrangler.ts";

const MIB = 2 ** 20;
const MAX_SCRIPT_BYTES = 64 * MIB;
const LOG_IN = "Log in with `npx wrangler login`, or set CLOUDFLARE_API_TOKEN and CLOUDFLARE_ACCOUNT_ID.";
/** Weights beyond this leave too little of an isolate's 128 MB for the runtime and its activations. */
const MAX_WEIGHT_BYTES = 45 * MIB;

export interface DeployOptions {
  policyDir: string;
  rewardDir: string;
  dtype: Dtype;
  /** Bundle and check everything, upload nothing; no account is needed. */
  dryRun: boolean;
  /** Where the models are laid out; the directory that wrangler.toml names by default. */
  assetsDir?: string | undefined;
  say: (line: string) => void;
}

/** Throws ArtifactError for models that are not exported, CapacityError over a limit or when wrangler fails. */
export async function deployWorker(options: DeployOptions): Promise<void> {
  const { policyDir, rewardDir, dtype, dryRun, say } = options;
  const assetsDir = options.assetsDir ?? join(PROJECT_ROOT, "outputs/edge_models");
  await mkdir(assetsDir, { recursive: true });
  const models = await prepareEdgeModels({ policyDir, rewardDir, assetsDir, dtype });
  checkAssets(models.files);
  say(`policy        ${policyDir}`);
  say(`reward model  ${rewardDir}${models.reward === models.policy ? " (the same, opened once)" : ""}`);
  say(`model files   ${mebibytes(totalBytes(models.files))} in ${models.files.length} files, ${dtype}`);
  await prepareEdgeWasm(EDGE_WASM);
  const vars = [`POLICY_MODEL:${models.policy}`, `REWARD_MODEL:${models.reward}`, `DTYPE:${dtype}`];
  const flags = ["--config", WRANGLER_CONFIG, "--assets", assetsDir, ...vars.flatMap((pair) => ["--var", pair])];

  const bundleDir = await mkdtemp(join(tmpdir(), "stepwise-bundle-"));
  try {
    await runWrangler(["deploy", ...flags, "--dry-run", "--outdir", bundleDir], { show: true });
    const scriptBytes = await bundleSize(bundleDir);
    if (scriptBytes > MAX_SCRIPT_BYTES) {
      throw new CapacityError({
        code: "script_too_large",
        what: `the script has ${mebibytes(scriptBytes)}, the limit is ${mebibytes(MAX_SCRIPT_BYTES)}`,
        where: "worker bundle",
      });
    }
    say(`script        ${mebibytes(scriptBytes)} of ${mebibytes(MAX_SCRIPT_BYTES)}`);
  } finally {
    await rm(bundleDir, { recursive: true, force: true });
  }
  say("plan          Workers Paid: a request computes for longer than the 10 ms of CPU time of the free plan");
  if (!dryRun) await runWrangler(["deploy", ...flags], { show: true, fix: LOG_IN });
}

function checkAssets(files: readonly { path: string; bytes: number }[]): void {
  const weights = totalBytes(files.filter(({ path }) => path.endsWith(".onnx")));
  if (weights > MAX_WEIGHT_BYTES) {
    throw new CapacityError({
      code: "models_too_large",
      what: `the graphs have ${mebibytes(weights)} together; above ${mebibytes(MAX_WEIGHT_BYTES)} they do not fit a worker's 128 MB of memory`,
      where: "policy and reward model",
      fix: "Deploy them as int8, use one folder for both, or train a smaller model; npm run dev has no such limit.",
    });
  }
  const large = files.find(({ bytes }) => bytes > MAX_ASSET_BYTES);
  if (large === undefined) return;
  throw new CapacityError({
    code: "asset_too_large",
    what: `${mebibytes(large.bytes)}, a static asset may have ${mebibytes(MAX_ASSET_BYTES)}`,
    where: large.path,
    fix: "Put the models in an R2 bucket (wrangler.toml, MODELS), or train a smaller one.",
  });
}

function totalBytes(files: readonly { bytes: number }[]): number {
  return files.reduce((sum, { bytes }) => sum + bytes, 0);
}

function mebibytes(bytes: number): string {
  return `${(bytes / MIB).toFixed(1)} MiB`;
}

async function bundleSize(dir: string): Promise<number> {
  const names = await readdir(dir);
  const uploaded = names.filter((name) => !name.endsWith(".map") && !name.endsWith(".md"));
  const sizes = await Promise.all(uploaded.map(async (name) => (await stat(join(dir, name))).size));
  return sizes.reduce((sum, size) => sum + size, 0);
}
