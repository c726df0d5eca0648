// The models' files on their way into the browser: told as they come, kept in its cache under their sha256, so that the next visit loads
// nothing. The engine checks the sums.

import type { ModelStore } from "../../edge/model-store.ts";
import { CapacityError } from "../../shared/errors.ts";
import { isLean, MANIFEST_FILE, type Manifest, parseManifest } from "../../shared/manifest.ts";

/** How much of what is needed is there, in bytes. */
export interface Progress {
  loaded: number;
  total: number;
  /** Of `loaded`, what the browser had already. */
  cached: number;
}

export interface ModelFilesOptions {
  /** Where the model folders lie. */
  base: URL;
  headers: Record<string, string>;
  /** Folders to load, the same one once. */
  folders: readonly string[];
  dtype: string;
  onProgress: (progress: Progress) => void;
}

const CACHE = "stepwise-models";
/** WebAssembly of 32 bits has 4 GB; graphs, weights and activations must all fit. */
const MAX_BYTES = 1_500_000_000;

/** Reads the manifests and gives a store of their files. Throws CapacityError for models above what a page can hold. */
export async function openModelFiles(options: ModelFilesOptions): Promise<ModelStore> {
  const { base, headers, folders, dtype, onProgress } = options;
  const get = async (path: string): Promise<Response | undefined> => {
    const response = await fetch(new URL(path, base), { headers });
    return response.ok ? response : undefined;
  };
  const manifests = new Map<string, { bytes: Uint8Array<ArrayBuffer>; manifest: Manifest }>();
  for (const folder of folders) {
    const where = `${folder}/${MANIFEST_FILE}`;
    const bytes = new Uint8Array((await (await get(where))?.arrayBuffer()) ?? new ArrayBuffer(0));
    manifests.set(folder, { bytes, manifest: parseManifest(JSON.parse(new TextDecoder().decode(bytes)), where) });
  }
  const progress: Progress = {
    loaded: 0,
    cached: 0,
    total: sum([...manifests.values()].map(({ manifest }) => bytesOf(manifest, dtype))),
  };
  if (progress.total > MAX_BYTES) throw tooLarge(progress.total);
  const tell = (bytes: number, isCached: boolean): void => {
    progress.loaded += bytes;
    if (isCached) progress.cached += bytes;
    onProgress({ ...progress });
  };
  // a model that is opened twice, on the GPU and on the processor, is told of once
  const told = new Set<string>();
  const cache = "caches" in globalThis ? await caches.open(CACHE).catch(() => undefined) : undefined;
  await cache?.keys().then((keys) => prune(cache, keys, manifests, base));

  return {
    async read(path) {
      const folder = path.slice(0, path.indexOf("/"));
      const known = manifests.get(folder);
      if (path.endsWith(`/${MANIFEST_FILE}`)) return known?.bytes.slice();
      const file = known?.manifest.files.find((each) => `${folder}/${each.path}` === path);
      if (file === undefined) return undefined;
      const key = keyOf(base, file.sha256);
      const held = await cache?.match(key);
      if (held !== undefined) {
        const bytes = new Uint8Array(await held.arrayBuffer());
        if (!told.has(path)) tell(bytes.length, true);
        told.add(path);
        return bytes;
      }
      const response = await get(path);
      if (response?.body == null) return undefined;
      const isNew = !told.has(path);
      told.add(path);
      const bytes = await readTelling(response.body, file.bytes, (count) => isNew && tell(count, false));
      // a full disk only means loading again
      await cache?.put(key, new Response(bytes)).catch(() => undefined);
      return bytes;
    },
  };
}

function keyOf(base: URL, sha256: string): string {
  return new URL(`${sha256}.bin`, base).href;
}

/** Files that no model of now has would stay for ever. */
async function prune(
  cache: Cache,
  keys: readonly Request[],
  manifests: ReadonlyMap<string, { manifest: Manifest }>,
  base: URL,
): Promise<void> {
  const wanted = new Set(
    [...manifests.values()].flatMap(({ manifest }) => manifest.files.map(({ sha256 }) => keyOf(base, sha256))),
  );
  for (const key of keys) if (!wanted.has(key.url)) await cache.delete(key);
}

/** Bytes of the files that an engine reads of a model. */
function bytesOf(manifest: Manifest, dtype: string): number {
  const lean = manifest.files.some((file) => isLean(file) && file.dtype === dtype);
  const read = manifest.files.filter(
    (file) =>
      file.role !== "generation_config" &&
      (file.dtype === undefined || (file.dtype === dtype && isLean(file) === lean)),
  );
  return sum(read.map(({ bytes }) => bytes));
}

async function readTelling(
  body: ReadableStream<Uint8Array>,
  length: number,
  tell: (count: number) => unknown,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(length);
  const reader = body.getReader();
  let at = 0;
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    if (at + next.value.length > length) break; // not the manifest's file: its sum will say so
    bytes.set(next.value, at);
    at += next.value.length;
    tell(next.value.length);
  }
  return bytes.subarray(0, at);
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

function tooLarge(bytes: number): CapacityError {
  return new CapacityError({
    code: "model_too_large",
    what: `the models have ${Math.ceil(bytes / 1e6)} MB, a page can hold ${MAX_BYTES / 1e6} MB`,
  });
}
