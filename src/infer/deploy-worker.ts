// Putting the worker online: models and wasm prepared, the platform's size limits checked, then wrangler deploy.
// Limits: https://developers.cloudflare.com/workers/platform/limits/

import { mkdir, mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CapacityError } from "../shared/errors.ts";
import { isLean } from "../shared/manifest.ts";
import type { Dtype } from "../shared/onnx-names.ts";
import {
  deployWithKey,
  describeResource,
  makeBuckets,
  neededResources,
  takeDown,
  writeBatchConfig,
} from "./deploy-resources.ts";
import { type EdgeModels, MAX_ASSET_BYTES, prepareEdgeModels } from "./edge-models.ts";
import { pageFolders, preparePages } from "./edge-pages.ts";
import { prepareEdgeWasm } from "./edge-wasm.ts";
import { fillBucket } from "./fill-bucket.ts";
import { EDGE_WASM, PROJECT_ROOT, WRANGLER_CONFIG } from "./local-worker.ts";
import { hasKey, openToAll } from "./open-to-all.ts";
import { readPlatformConfig } from "./platform-config.ts";
import { runWrangler } from "./run-wrangler.ts";

const MIB = 2 ** 20;
const MAX_SCRIPT_BYTES = 64 * MIB;
/** The settings of a deployment with batches. */
const BATCH_CONFIG = join(PROJECT_ROOT, "outputs/edge_build/wrangler.json");
const LOG_IN = "Log in with `npx wrangler login`, or set CLOUDFLARE_API_TOKEN and CLOUDFLARE_ACCOUNT_ID.";
/** Weights beyond this leave too little of an isolate's 128 MB for the runtime and its activations. */
const MAX_WEIGHT_BYTES = 45 * MIB;
/** The low-memory form holds its weights once; a T5 small has 73 MiB and runs in 116 MB. */
const MAX_LEAN_WEIGHT_BYTES = 80 * MIB;

type PlacedFile = EdgeModels["files"][number];

export interface DeployOptions {
  policyDir: string;
  rewardDir: string;
  dtype: Dtype;
  /** Bundle and check everything, upload nothing; no account is needed. */
  dryRun: boolean;
  /** With batches: what they need is made where it is missing. */
  batch?: boolean | undefined;
  /** Where the models are laid out; the directory that wrangler.toml names by default. */
  assetsDir?: string | undefined;
  /** wrangler.toml by default. */
  configPath?: string | undefined;
  say: (line: string) => void;
}

/** Throws ArtifactError for models that are not exported, CapacityError over a limit or when wrangler fails. */
export async function deployWorker(options: DeployOptions): Promise<void> {
  const { policyDir, rewardDir, dtype, dryRun, say } = options;
  const { configPath, bucket, addressLimit, resources } = await readDeployment(options);
  const assetsDir = options.assetsDir ?? join(PROJECT_ROOT, "outputs/edge_models");
  // with a bucket the models are no assets
  const modelsDir = bucket === undefined ? assetsDir : `${assetsDir}_r2`;
  await mkdir(assetsDir, { recursive: true });
  await mkdir(modelsDir, { recursive: true });
  const models = await prepareEdgeModels({ policyDir, rewardDir, assetsDir: modelsDir, dtype });
  await removeStrays(assetsDir, bucket === undefined ? [models.policy, models.reward] : []);
  await preparePages(assetsDir);
  checkWeights(models.files);
  if (bucket === undefined) checkAssets(models.files);
  say(`policy        ${policyDir}`);
  say(`reward model  ${rewardDir}${models.reward === models.policy ? " (the same, opened once)" : ""}`);
  say(`model files   ${mebibytes(totalBytes(models.files))} in ${models.files.length} files, ${dtype}`);
  if (bucket !== undefined) say(`bucket        ${bucket} (R2)`);
  await prepareEdgeWasm(EDGE_WASM);
  const vars = [`POLICY_MODEL:${models.policy}`, `REWARD_MODEL:${models.reward}`, `DTYPE:${dtype}`];
  const flags = ["--config", configPath, "--assets", assetsDir, ...vars.flatMap((pair) => ["--var", pair])];

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
  // a dry run asks nobody
  if (dryRun || !(await hasKey(configPath))) say(openToAll({ addressLimit }));
  for (const resource of resources) say(describeResource(resource));
  if (options.batch !== true) say("batches       off (--batch switches them on)");
  if (dryRun) return;
  await makeBuckets(resources, { say, fix: LOG_IN });
  if (bucket !== undefined) {
    await fillBucket(bucket, { at: "cloudflare", fix: LOG_IN }, { modelsDir, files: models.files }, say);
  }
  const deploy = (more: readonly string[]) => runWrangler(["deploy", ...flags, ...more], { show: true, fix: LOG_IN });
  if (options.batch === true) await deployWithKey(configPath, deploy, { say, fix: LOG_IN });
  else await deploy([]);
}

/** Takes a deployment down, or tells what that would take. */
export async function destroyWorker(options: Pick<DeployOptions, "configPath" | "dryRun" | "say">): Promise<void> {
  const { dryRun, say } = options;
  const { configPath, worker, resources } = await readDeployment({ ...options, batch: true });
  await takeDown({ config: configPath, worker, resources, dryRun }, { say, fix: LOG_IN });
}

/** The settings that are deployed, and what they need. */
async function readDeployment({ configPath: asked, batch = false }: Pick<DeployOptions, "configPath" | "batch">) {
  const base = asked ?? WRANGLER_CONFIG;
  const configPath = batch ? await writeBatchConfig(base, BATCH_CONFIG) : base;
  const platform = await readPlatformConfig(configPath);
  return { configPath, ...platform, resources: neededResources({ models: platform.bucket, batch }) };
}

/** Every file that holds weights counts, whatever it is called. */
function checkWeights(files: readonly PlacedFile[]): void {
  const isLeanModel = files.some(isLean);
  const limit = isLeanModel ? MAX_LEAN_WEIGHT_BYTES : MAX_WEIGHT_BYTES;
  const weights = totalBytes(files.filter(({ role }) => isLean({ role }) || role === "encoder" || role === "decoder"));
  if (weights <= limit) return;
  throw new CapacityError({
    code: "models_too_large",
    what: `the graphs and weights have ${mebibytes(weights)} together; above ${mebibytes(limit)} they do not fit a worker's 128 MB of memory`,
    where: "policy and reward model",
    fix: "Deploy them as int8, use one folder for both, or train a smaller model; npm run dev and npm run serve have no such limit.",
  });
}

function checkAssets(files: readonly PlacedFile[]): void {
  const large = files.find(({ bytes }) => bytes > MAX_ASSET_BYTES);
  if (large === undefined) return;
  throw new CapacityError({
    code: "asset_too_large",
    what: `${mebibytes(large.bytes)}, a static asset may have ${mebibytes(MAX_ASSET_BYTES)}`,
    where: large.path,
    fix: "Put the models in an R2 bucket: uncomment [[r2_buckets]] (binding MODELS) in wrangler.toml, and deploy again; or train a smaller one.",
  });
}

/** What is left of earlier layouts would be uploaded with the rest. */
async function removeStrays(assetsDir: string, folders: readonly string[]): Promise<void> {
  const known = new Set([...folders, ...(await pageFolders())]);
  for (const name of await readdir(assetsDir)) {
    if (!known.has(name)) await rm(join(assetsDir, name), { recursive: true, force: true });
  }
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
