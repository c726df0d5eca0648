// A model opened for inference: the parsed files of one exported folder and the sessions of its two graphs.

import { ArtifactError } from "../../shared/errors.ts";
import { MANIFEST_FILE, type Manifest, type ManifestFile, parseManifest } from "../../shared/manifest.ts";
import type { Dtype } from "../../shared/onnx-names.ts";
import { TEMPLATE_VERSION } from "../../shared/prompts.ts";
import { parseT5Config, type T5Config } from "../../shared/t5-config.ts";
import { createTokenizer, type TextTokenizer } from "../../shared/tokenizer.ts";
import { type ModelStore, readFile, readJson, readVerified } from "../model-store.ts";
import type { Runtime, Session } from "./runtime.ts";

export interface Model {
  manifest: Manifest;
  dtype: Dtype;
  config: T5Config;
  tokenizer: TextTokenizer;
  runtime: Runtime;
  encoder: Session;
  decoder: Session;
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

/** Opens the model in `folder` of the store, one file at a time. Throws ArtifactError when it is absent, damaged or unfit. */
export async function loadModel(store: ModelStore, folder: string, dtype: Dtype, runtime: Runtime): Promise<Model> {
  const where = `${folder}/${MANIFEST_FILE}`;
  const manifest = parseManifest(readJson(await readFile(store, where), where), where);
  const json = async (role: ManifestFile["role"]): Promise<unknown> => {
    const file = findFile(manifest, role, where);
    return readJson(await readVerified(store, folder, file), `${folder}/${file.path}`);
  };
  const open = async (role: "encoder" | "decoder"): Promise<Session> => {
    const file = findFile(manifest, role, where, dtype);
    return runtime.createSession(await readVerified(store, folder, file), `${folder}/${file.path}`);
  };
  const config = parseT5Config(await json("config"), `${folder}/config.json`);
  const tokenizer = createTokenizer(
    await json("tokenizer"),
    await json("tokenizer_config"),
    `${folder}/tokenizer.json`,
  );
  checkContract(manifest, config, tokenizer, where);
  const encoder = await open("encoder");
  try {
    const decoder = await open("decoder");
    return { manifest, dtype, config, tokenizer, runtime, encoder, decoder };
  } catch (error) {
    await encoder.release();
    throw error;
  }
}

/** Gives the sessions' memory back. */
export async function closeModel(model: Model): Promise<void> {
  await model.encoder.release();
  await model.decoder.release();
}
