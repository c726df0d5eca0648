// Where model files come from: static assets or an R2 bucket, behind one read function. Every file but the manifest is checked
// against the manifest's sha256 before it is used.

import { ArtifactError } from "../shared/errors.ts";
import { MANIFEST_FILE, type ManifestFile } from "../shared/manifest.ts";

/** Reads a file by its path below the model folders, or undefined when there is none. */
export interface ModelStore {
  read(path: string): Promise<Uint8Array<ArrayBuffer> | undefined>;
}

/** The same files on their way to somebody else: never whole in memory. */
export interface FileStreams {
  stream(path: string): Promise<ReadableStream<Uint8Array> | undefined>;
}

/** The part of a static-assets binding that is used. */
export interface AssetsBinding {
  fetch(url: string): Promise<Response>;
}

/** The part of an R2 bucket binding that is used. */
export interface BucketBinding {
  get(key: string): Promise<{ arrayBuffer(): Promise<ArrayBuffer>; readonly body: ReadableStream<Uint8Array> } | null>;
}

/** Models among the worker's static assets (at most 25 MiB a file). */
export function createAssetStore(assets: AssetsBinding): ModelStore & FileStreams {
  const open = async (path: string): Promise<Response | undefined> => {
    const response = await assets.fetch(`http://assets.local/${path}`);
    if (response.ok) return response;
    await response.body?.cancel();
    return undefined;
  };
  return {
    async read(path) {
      const response = await open(path);
      return response && new Uint8Array(await response.arrayBuffer());
    },
    stream: async (path) => (await open(path))?.body ?? undefined,
  };
}

/** Models in an R2 bucket, under keys such as `folder/onnx/encoder_model.onnx`. */
export function createBucketStore(bucket: BucketBinding): ModelStore & FileStreams {
  return {
    async read(path) {
      const object = await bucket.get(path);
      return object === null ? undefined : new Uint8Array(await object.arrayBuffer());
    },
    stream: async (path) => (await bucket.get(path))?.body,
  };
}

/** The bytes of a file that must exist. Throws ArtifactError. */
export async function readFile(store: ModelStore, path: string): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = await store.read(path);
  if (bytes !== undefined) return bytes;
  throw new ArtifactError({
    code: "model_absent",
    what: "the model file is not there",
    where: path,
    fix: path.endsWith(MANIFEST_FILE)
      ? "Put the exported model folder among the worker's models (npm run dev, npm run deploy)."
      : "Export the model again.",
  });
}

/** A file of the manifest, its size and sha256 checked. Throws ArtifactError when it is absent or damaged. */
export async function readVerified(store: ModelStore, folder: string, file: ManifestFile): Promise<Uint8Array> {
  const where = `${folder}/${file.path}`;
  const bytes = await readFile(store, where);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  const sha256 = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
  if (bytes.length === file.bytes && sha256 === file.sha256) return bytes;
  const what =
    bytes.length === file.bytes
      ? "sha256 differs from the manifest's"
      : `${bytes.length} bytes, the manifest says ${file.bytes}`;
  throw new ArtifactError({ code: "model_damaged", what, where, fix: "Copy or export the model again." });
}

/** Parses the bytes of a JSON file. Throws ArtifactError. */
export function readJson(bytes: Uint8Array, where: string): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: false }).decode(bytes));
  } catch (cause) {
    throw new ArtifactError({ code: "model_damaged", what: "not JSON", where, fix: "Export the model again.", cause });
  }
}
