// A model opened for inference: the parsed files of one exported folder and the sessions of its graphs.

import { ArtifactError } from "../../shared/errors.ts";
import { MANIFEST_FILE, type Manifest, type ManifestFile, parseManifest } from "../../shared/manifest.ts";
import { type Dtype, ENCODER_OUTPUT, LEAN, LOGITS, pastName } from "../../shared/onnx-names.ts";
import { TEMPLATE_VERSION } from "../../shared/prompts.ts";
import { parseT5Config, type T5Config } from "../../shared/t5-config.ts";
import { createTokenizer, type TextTokenizer } from "../../shared/tokenizer.ts";
import { type ModelStore, readFile, readJson, readVerified } from "../model-store.ts";
import { createEmbedding, type Lean } from "./lean.ts";
import type { Runtime, Session, WeightFile } from "./runtime.ts";
import { warmUp } from "./warm-up.ts";

export interface Model {
  manifest: Manifest;
  dtype: Dtype;
  config: T5Config;
  tokenizer: TextTokenizer;
  runtime: Runtime;
  encoder: Session;
  decoder: Session;
  /** Only for a model in the low-memory form, whose graphs have inputs and outputs of their own. */
  lean?: Lean;
  /** Bytes of its tables in JavaScript's buffers. */
  tableBytes: number;
  /** Strength of the adapter that a low-memory form may hold: 1 is the model itself, 0 its base. Without an adapter nothing reads it. */
  adapterScale: number;
}

function findFile(manifest: Manifest, role: ManifestFile["role"], where: string, dtype?: Dtype): ManifestFile {
  const found = manifest.files.find((file) => file.role === role && file.dtype === dtype);
  if (found !== undefined) return found;
  throw new ArtifactError({
    code: "bad_manifest",
    what: `no ${role} file${dtype === undefined ? "" : ` of type ${dtype}`}`,
    where,
    fix: "Export the model again: npm run export -- --model DIR.",
  });
}

function checkContract(manifest: Manifest, config: T5Config, tokenizer: TextTokenizer, where: string): void {
  const problem =
    manifest.template_version !== TEMPLATE_VERSION
      ? `made for prompt template "${manifest.template_version}", this worker has "${TEMPLATE_VERSION}"`
      : tokenizer.size > config.vocabSize
        ? `tokenizer has ${tokenizer.size} ids, the model ${config.vocabSize}`
        : tokenizer.yesTokenId !== manifest.judge.yes_token_id || tokenizer.noTokenId !== manifest.judge.no_token_id
          ? 'the ids of "yes" and "no" are not those of the tokenizer'
          : undefined;
  if (problem === undefined) return;
  throw new ArtifactError({
    code: "bad_manifest",
    what: problem,
    where,
    fix: "Export the model again: npm run export -- --model DIR.",
  });
}

/** Bytes of the files that the runtime opens; a low-memory form's embedding is none of them. */
export function runtimeFileBytes({ files }: Manifest, dtype: Dtype): number {
  const ofType = files.filter((file) => file.dtype === dtype);
  const roles: ManifestFile["role"][] = ofType.some(({ role }) => role === "lean_encoder")
    ? ["lean_encoder", "lean_decoder", "lean_head", "lean_weights"]
    : ["encoder", "decoder"];
  return ofType.filter(({ role }) => roles.includes(role)).reduce((sum, { bytes }) => sum + bytes, 0);
}

/**
 * Opens the model in `folder` of the store, one graph at a time: a transfer that goes on while the runtime opens a graph, and the isolate
 * hears nothing, may be broken off. Throws ArtifactError when it is absent, damaged or unfit.
 */
export async function loadModel(store: ModelStore, folder: string, dtype: Dtype, runtime: Runtime): Promise<Model> {
  const where = `${folder}/${MANIFEST_FILE}`;
  const manifest = parseManifest(readJson(await readFile(store, where), where), where);
  const isLean = manifest.files.some((file) => file.role === "lean_encoder" && file.dtype === dtype);
  // the head first, which warms the runtime up for the encoder; the embedding, which stays in JavaScript, last
  const roles = isLean ? (["lean_head", "lean_decoder", "lean_encoder"] as const) : (["encoder", "decoder"] as const);
  const graphs = roles.map((role) => findFile(manifest, role, where, dtype));
  const json = async (role: ManifestFile["role"]): Promise<unknown> => {
    const file = findFile(manifest, role, where);
    return readJson(await readVerified(store, folder, file), `${folder}/${file.path}`);
  };
  const config = parseT5Config(await json("config"), `${folder}/config.json`);
  const tokenizer = createTokenizer(
    await json("tokenizer"),
    await json("tokenizer_config"),
    `${folder}/tokenizer.json`,
  );
  checkContract(manifest, config, tokenizer, where);
  const opened: Session[] = [];
  try {
    for (const graph of graphs) {
      const session = await openGraph(await readGraph(store, folder, manifest, graph), runtime);
      opened.push(session);
      checkRole(session, graph, `${folder}/${graph.path}`);
      if (graph.role === "lean_head") await warmUp(session, runtime, config);
    }
    const [first, second, third] = opened;
    if (first === undefined || second === undefined) throw new TypeError("a model has two graphs");
    const parts = { manifest, dtype, config, tokenizer, runtime, adapterScale: 1, tableBytes: 0 };
    if (!isLean || third === undefined) return { ...parts, encoder: first, decoder: second };
    const read = (role: ManifestFile["role"]) => readVerified(store, folder, findFile(manifest, role, where, dtype));
    const [table, scales] = [await read("lean_embedding"), await read("lean_embedding_scales")];
    const embed = createEmbedding(config, table, scales, where);
    return {
      ...parts,
      tableBytes: table.length + scales.length,
      encoder: third,
      decoder: second,
      lean: { head: first, embed },
    };
  } catch (error) {
    for (const session of opened) await session.release();
    throw error;
  }
}

/**
 * The zero-shot judge on the weights of a policy: its base where it holds an adapter, else the model itself. Both share their sessions:
 * close one of them.
 */
export function judgeOf(policy: Model): Model {
  const { manifest, lean } = policy;
  if (manifest.adapter === undefined || lean === undefined || manifest.reward !== undefined) return policy;
  return { ...policy, adapterScale: 0, manifest: { ...manifest, model: manifest.adapter.base } };
}

/** An output that a graph of each role has, and no other. */
const OUTPUT_OF_ROLE: Partial<Record<ManifestFile["role"], string>> = {
  encoder: ENCODER_OUTPUT,
  decoder: LOGITS,
  lean_encoder: pastName(0, "encoder", "key"),
  lean_decoder: LEAN.hiddenStates,
  lean_head: LOGITS,
};

/** Throws ArtifactError for a graph that is another's, as where two files were swapped. */
function checkRole({ outputNames }: Session, { role }: ManifestFile, where: string): void {
  const output = OUTPUT_OF_ROLE[role];
  if (output === undefined || outputNames.includes(output)) return;
  throw new ArtifactError({
    code: "bad_graph",
    what: `this is no ${role}: it gives no ${output}`,
    where,
    fix: "Export the model again: npm run export -- --model DIR.",
  });
}

/** The bytes of a graph and of its weight files. */
interface GraphFiles {
  where: string;
  bytes: Uint8Array;
  weights: WeightFile[];
}

async function readGraph(
  store: ModelStore,
  folder: string,
  manifest: Manifest,
  file: ManifestFile,
): Promise<GraphFiles> {
  const where = `${folder}/${file.path}`;
  const weights: WeightFile[] = [];
  for (const path of file.weights ?? []) {
    const shard = manifest.files.find((other) => other.path === path);
    if (shard === undefined) {
      const fix = "Export the model again: npm run export -- --model DIR.";
      throw new ArtifactError({ code: "bad_manifest", what: `no entry for ${path}`, where, fix });
    }
    weights.push({ path: path.slice(path.lastIndexOf("/") + 1), data: await readVerified(store, folder, shard) });
  }
  return { where, bytes: await readVerified(store, folder, file), weights };
}

/** The files' bytes are freed as soon as the runtime has its own. */
async function openGraph({ where, bytes, weights }: GraphFiles, runtime: Runtime): Promise<Session> {
  const session = await runtime.createSession(bytes, where, weights);
  for (const { buffer } of [bytes, ...weights.map(({ data }) => data)]) free(buffer);
  return session;
}

/** Gives memory back at once instead of at the next garbage collection, where the engine can (ES2024). */
function free(buffer: ArrayBufferLike): void {
  if ("transfer" in buffer && typeof buffer.transfer === "function") Reflect.apply(buffer.transfer, buffer, [0]);
}

/** Gives the sessions' memory back. */
export async function closeModel(model: Model): Promise<void> {
  await model.encoder.release();
  await model.decoder.release();
  await model.lean?.head.release();
}
