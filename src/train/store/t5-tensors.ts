// Whether a model folder holds exactly the tensors of the T5 that its config describes: one check for training, judging and export.

import { ArtifactError, ShapeError } from "../../shared/errors.ts";
import type { T5Config } from "../../shared/t5-config.ts";
import type { TensorReader } from "../io/safetensors/reader.ts";
import { EMBEDDING, EMBEDDING_ALIASES, HEAD, parameterSpecs, UNREAD } from "../model/parameters.ts";
import { openModelTensors } from "./model-tensors.ts";

const FLOAT_DTYPES = new Set(["F32", "F16", "BF16"]);

/** The checked tensors of a T5; the caller closes them. */
export interface T5Tensors extends TensorReader {
  /**
   * Name of the tensor `[V, D]` that makes logits: `lm_head.weight` for an untied model that has one, else the embedding
   * (transformers 5 saves untied configs with a tied head and only leaves out the scaling).
   */
  head: string;
}

/** Where there is an output projection of its own, its name; else the embedding's. */
function headTensor(config: T5Config, reader: Pick<TensorReader, "names">): string {
  return !config.tieWordEmbeddings && reader.names.includes(HEAD) ? HEAD : EMBEDDING;
}

/**
 * Opens the weights of a model or adapter folder. `log` is told of tensors that no T5 reads. Throws ArtifactError for a tensor that is
 * missing or unexpected, ShapeError for one whose shape the config denies.
 */
export async function openT5Tensors(
  dir: string,
  config: T5Config,
  log: (line: string) => void = () => {},
): Promise<T5Tensors> {
  const reader = await openModelTensors(dir);
  try {
    const ignored = checkT5Tensors(config, reader, dir);
    if (ignored.length > 0) log(`${dir}: ignored ${ignored.join(", ")} (no T5 reads it)`);
    return { ...reader, head: headTensor(config, reader) };
  } catch (error) {
    await reader.close();
    throw error;
  }
}

const isBiasTable = (name: string): boolean => name.endsWith("SelfAttention.relative_attention_bias.weight");
const BIAS_FIX =
  'uMT5 has a table of positions in every layer, T5 and mT5 in the first one alone: "model_type" in config.json must say which this is ("umt5", or "t5" or "mt5").';

/** Throws as `openT5Tensors`; returns the names of tensors that are left unread. */
function checkT5Tensors(config: T5Config, reader: TensorReader, where: string): string[] {
  const specs = parameterSpecs(config, headTensor(config, reader) === HEAD);
  const known = new Set(specs.map(({ name }) => name));
  const present = new Set(reader.names);
  const missing = [...known].filter((name) => !present.has(name));
  if (missing.length > 0) {
    throw new ArtifactError({
      code: "missing_tensor",
      what: `${missing.length} tensors are missing: ${preview(missing)}`,
      where,
      fix: missing.every(isBiasTable)
        ? BIAS_FIX
        : "The weights must be of the T5 that config.json describes (num_layers, feed_forward_proj).",
    });
  }
  const harmless: ReadonlySet<string> = new Set([...EMBEDDING_ALIASES, HEAD, ...UNREAD]);
  const unexpected = reader.names.filter((name) => !known.has(name) && !harmless.has(name));
  if (unexpected.length > 0) {
    throw new ArtifactError({
      code: "unexpected_tensor",
      what: `${unexpected.length} tensors do not belong to this T5: ${preview(unexpected)}`,
      where,
      fix: unexpected.every(isBiasTable)
        ? BIAS_FIX
        : "Merge adapters into the weights and check config.json (num_layers, feed_forward_proj).",
    });
  }
  for (const spec of specs) {
    const { dtype, shape } = reader.info(spec.name);
    if (!FLOAT_DTYPES.has(dtype)) {
      throw new ArtifactError({
        code: "unsupported_dtype",
        what: `type ${dtype} is not supported`,
        where: `${where}, tensor "${spec.name}"`,
        fix: "Save the weights as float32, float16 or bfloat16.",
      });
    }
    if (shape.join() !== spec.shape.join()) {
      throw new ShapeError({
        code: "wrong_shape",
        what: `shape [${shape.join(", ")}] instead of [${spec.shape.join(", ")}]`,
        where: `${where}, tensor "${spec.name}"`,
        fix: "config.json and weights must come from the same model.",
      });
    }
  }
  return UNREAD.filter((name) => present.has(name) && !known.has(name));
}

function preview(names: readonly string[]): string {
  return names.slice(0, 3).join(", ") + (names.length > 3 ? ", …" : "");
}
