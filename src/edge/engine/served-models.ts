// The models that requests are given, and how a new version takes their place: when a manifest has changed, both models are opened anew.
// Where memory allows, that happens beside the ones before, which answer until it is done. Where it does not, requests that come wait until
// nobody uses the ones before; these are closed, and the first who waits opens the new ones.

import { CapacityError } from "../../shared/errors.ts";
import { MANIFEST_FILE, type Manifest, parseManifest } from "../../shared/manifest.ts";
import type { Dtype } from "../../shared/onnx-names.ts";
import { type ModelStore, readJson } from "../model-store.ts";
import { sleep } from "../sleep.ts";
import { fitsBeside, memoryBudget } from "./memory-budget.ts";
import { closeModel, judgeOf, loadModel, type Model, runtimeFileBytes } from "./model.ts";
import { createOpenedOnce } from "./opened-once.ts";
import { createRowsTogether, type RowsTogether, sharesSteps } from "./rows-together.ts";
import type { Runtime } from "./runtime.ts";

/** Policy and reward model that were opened together. */
export interface ModelPair {
  policy: Model;
  reward: Model;
  /** Where the texts of all requests are written. */
  together: RowsTogether | undefined;
  budgetBytes: number;
  /** The manifests that they were opened from. */
  version: string;
  /** What the runtime holds for them, by the size of their files. */
  fileBytes: number;
}

export interface ServedModels {
  /** Opens them if need be. Throws ArtifactError while one is absent or damaged, CapacityError when too many wait for a new version. */
  get(): Promise<ModelPair>;
  /** All that may be in use, the newest last. */
  readonly inUse: readonly ModelPair[];
  /** Looks for a new version, where it is time to; the promise, which never rejects, is that of all that follows. */
  renew(): Promise<void> | undefined;
}

/** Which models, where they lie, and what runs them. */
export interface ModelChoice {
  store: ModelStore;
  runtime: Runtime;
  /** Folder names in the store. */
  policy: string;
  reward: string;
  dtype: Dtype;
}

export interface ServedModelsOptions extends ModelChoice {
  /** How many requests may wait for a new version. */
  maxWaiting: number;
  /** How often manifests are looked at, at most; 0: never. */
  renewMs: number;
  /** Whether a request holds something of these. */
  isUsed: (pair: ModelPair) => boolean;
  /** Told why a new version could not be opened. */
  report: (error: unknown) => void;
}

/** How long a failed or unfinished load is remembered before the next request tries again. */
const RETRY_LOAD_MS = 5_000;
const LOAD_LEASE_MS = 60_000;
const LOOK_MS = 20;

/** Nothing is read before the first `get`. */
export function createServedModels(options: ServedModelsOptions): ServedModels {
  const { store, runtime, dtype, renewMs, isUsed } = options;
  const folders = [...new Set([options.policy, options.reward])];
  /** What the runtime holds beside the files of models. */
  let besideFiles: number | undefined;
  let retired: { pair: ModelPair; at: number }[] = [];
  /** Closed before others are opened. */
  let leaving: ModelPair | undefined;
  let held = 0;
  let lookedAt = Date.now();
  let renewingUntil = 0;

  /** Undefined while one is absent. */
  const readManifests = async (): Promise<{ version: string; parse: () => Manifest[] } | undefined> => {
    const paths = folders.map((folder) => `${folder}/${MANIFEST_FILE}`);
    const files = (await Promise.all(paths.map((path) => store.read(path)))).flatMap((bytes) => bytes ?? []);
    if (files.length < paths.length) return undefined;
    const parse = () => files.map((bytes, at) => parseManifest(readJson(bytes, paths[at] ?? ""), paths[at]));
    return { version: files.map((bytes) => new TextDecoder().decode(bytes)).join("\n"), parse };
  };
  const openBoth = async (): Promise<Pick<ModelPair, "policy" | "reward">> => {
    const policy = await loadModel(store, options.policy, dtype, runtime);
    if (options.reward === options.policy) return { policy, reward: judgeOf(policy) };
    try {
      return { policy, reward: await loadModel(store, options.reward, dtype, runtime) };
    } catch (error) {
      await closeModel(policy);
      throw error;
    }
  };
  const open = async (): Promise<ModelPair> => {
    const version = (await readManifests())?.version ?? "";
    const pair = await openBoth();
    const models = new Set([pair.policy, pair.reward]);
    const fileBytes = [...new Set([pair.policy.manifest, pair.reward.manifest].slice(0, folders.length))]
      .map((manifest) => runtimeFileBytes(manifest, dtype))
      .reduce((sum, bytes) => sum + bytes, 0);
    // memory that the ones before had is used again: what the runtime holds now says too much
    besideFiles ??= runtime.memoryBytes() - fileBytes;
    return {
      ...pair,
      together: sharesSteps(pair.policy) ? createRowsTogether(pair.policy) : undefined,
      budgetBytes: memoryBudget(models, besideFiles + fileBytes, runtime.memoryLimitBytes),
      version,
      fileBytes,
    };
  };
  const models = createOpenedOnce(open, { retryMs: RETRY_LOAD_MS, leaseMs: LOAD_LEASE_MS });

  /** Throws CapacityError where too many wait already. */
  const waitUntilUnused = async (pair: ModelPair): Promise<void> => {
    if (held >= options.maxWaiting) throw tooManyWait(held);
    held++;
    try {
      // looked at twice: who was given them a moment ago has not begun
      for (let unused = 0; leaving === pair && unused < 2; ) {
        await sleep(LOOK_MS);
        unused = isUsed(pair) ? 0 : unused + 1;
      }
    } finally {
      held--;
    }
    if (leaving !== pair) return;
    leaving = undefined;
    models.forget();
    await close(pair);
  };
  const closeRetired = async (): Promise<void> => {
    // who was given them a moment ago has not begun
    const unused = retired.filter(({ pair, at }) => Date.now() - at >= LOOK_MS && !isUsed(pair));
    retired = retired.filter((one) => !unused.includes(one));
    for (const { pair } of unused) await close(pair);
  };
  const get = async (): Promise<ModelPair> => {
    if (leaving !== undefined) await waitUntilUnused(leaving);
    // whoever renewed them may have been cut off
    if (retired.length > 0) await closeRetired();
    return models.get();
  };
  const replace = async (before: ModelPair): Promise<void> => {
    const now = await readManifests();
    if (now === undefined || now.version === before.version || models.value !== before) return;
    const newBytes = now.parse().reduce((sum, manifest) => sum + runtimeFileBytes(manifest, dtype), 0);
    if (!fitsBeside(new Set([before.policy, before.reward]), runtime, newBytes)) {
      leaving = before;
      await get();
      return;
    }
    const fresh = await open();
    models.replace(fresh);
    retired = [...retired, { pair: before, at: Date.now() }];
    while (retired.some(({ pair }) => pair === before)) {
      await sleep(LOOK_MS);
      await closeRetired();
    }
  };
  return {
    get,
    get inUse() {
      const { value } = models;
      const others = retired.map(({ pair }) => pair);
      return value === undefined ? others : [...others, value];
    },
    renew() {
      const now = Date.now();
      const { value } = models;
      if (renewMs === 0 || value === undefined || leaving !== undefined) return undefined;
      if (now < lookedAt + renewMs || now < renewingUntil) return undefined;
      lookedAt = now;
      renewingUntil = now + LOAD_LEASE_MS;
      return replace(value)
        .catch(options.report)
        .finally(() => {
          renewingUntil = 0;
        });
    },
  };
}

async function close({ policy, reward }: ModelPair): Promise<void> {
  await closeModel(policy);
  if (reward.encoder !== policy.encoder) await closeModel(reward);
}

function tooManyWait(count: number): CapacityError {
  return new CapacityError({
    code: "busy",
    what: `${count} requests are waiting for a new version of the models`,
    fix: "Try again in a second.",
  });
}
