// adapter_config.json of Python's peft (https://huggingface.co/docs/peft, LoraConfig; names as in peft 0.21): what an adapter is, and which
// model it was made for. What this trainer has no arithmetic for is refused by name instead of being ignored.

import { existsSync } from "node:fs";
import { isAbsolute, join } from "node:path";
import { z } from "zod";
import { ArtifactError } from "../../shared/errors.ts";
import { readJson } from "../io/read-json.ts";
import { joinRevision, splitRevision } from "./model-id.ts";

export const ADAPTER_CONFIG_FILE = "adapter_config.json";
export const ADAPTER_WEIGHTS_FILE = "adapter_model.safetensors";

/** What decides an adapter's shape and strength. */
export interface AdapterSettings {
  rank: number;
  alpha: number;
  /** Last parts of the names of the adapted projections: q, k, v, o, wi, wi_0, wi_1, wo. */
  targets: readonly string[];
  /** alpha / sqrt(r) instead of alpha / r (Kalajdzievski 2023, arXiv:2312.03732). */
  rankStabilized?: boolean | undefined;
}

/** A parsed adapter_config.json. */
export interface AdapterConfig extends AdapterSettings {
  /** Hub id (with its revision after an @) or folder of the model that the adapter was made for; undefined when the file does not say. */
  base: string | undefined;
}

/** The factor on B A x. */
export function adapterScale({ rank, alpha, rankStabilized = false }: AdapterSettings): number {
  return alpha / (rankStabilized ? Math.sqrt(rank) : rank);
}

const fileSchema = z.object({
  peft_type: z.string(),
  base_model_name_or_path: z.string().min(1).nullish(),
  revision: z.string().nullish(),
  r: z.number().int().positive(),
  lora_alpha: z.number().positive(),
  target_modules: z.union([z.array(z.string()), z.string()]).nullish(),
  use_rslora: z.boolean().default(false),
});

/** Settings of peft that change the arithmetic, with the values that mean "not used". */
const UNUSED: Readonly<Record<string, readonly unknown[]>> = {
  bias: ["none"],
  lora_bias: [false],
  use_dora: [false],
  use_qalora: [false],
  use_bdlora: [false],
  fan_in_fan_out: [false],
  modules_to_save: [[]],
  rank_pattern: [{}],
  alpha_pattern: [{}],
  layer_replication: [[]],
  target_parameters: [[]],
  trainable_token_indices: [[]],
  alora_invocation_tokens: [[]],
  arrow_config: [],
  kasa_config: [],
};

/** Parses adapter_config.json. Throws ArtifactError for another kind of adapter, or one that uses what is not supported. */
function parseAdapterConfig(json: unknown, where: string): AdapterConfig {
  const parsed = fileSchema.safeParse(json);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new ArtifactError({
      code: "bad_adapter_config",
      what: `field "${issue?.path.join(".") ?? ""}": ${issue?.message ?? "invalid"}`,
      where,
      fix: "Use the adapter_config.json that peft or this trainer wrote.",
    });
  }
  const { data } = parsed;
  const refuse = (what: string): never => {
    const fix = "Merge the adapter with peft (merge_and_unload) and give the merged model.";
    throw new ArtifactError({ code: "unsupported_adapter", what, where, fix });
  };
  if (data.peft_type !== "LORA") refuse(`peft_type "${data.peft_type}" is not supported, only LORA`);
  for (const [name, value] of Object.entries(json ?? {})) {
    const unused = UNUSED[name];
    if (unused === undefined || value === null || value === undefined) continue;
    if (!unused.some((harmless) => JSON.stringify(harmless) === JSON.stringify(value)))
      refuse(`"${name}": ${JSON.stringify(value)} is not supported`);
  }
  const { target_modules: targets } = data;
  return {
    rank: data.r,
    alpha: data.lora_alpha,
    targets: typeof targets === "string" ? [targets] : (targets ?? []),
    rankStabilized: data.use_rslora,
    base: data.base_model_name_or_path
      ? joinRevision({ id: data.base_model_name_or_path, revision: data.revision })
      : undefined,
  };
}

/** What peft reads; by `task_type` its AutoPeftModelForSeq2SeqLM knows the adapter as one of an encoder-decoder. */
export function adapterConfigToJson(config: AdapterConfig): Record<string, unknown> {
  const { base = "" } = config;
  const { id, revision } = isAbsolute(base) ? { id: base } : splitRevision(base);
  return {
    auto_mapping: null,
    base_model_name_or_path: id === "" ? null : id,
    bias: "none",
    fan_in_fan_out: false,
    inference_mode: true,
    init_lora_weights: true,
    layers_pattern: null,
    layers_to_transform: null,
    lora_alpha: config.alpha,
    lora_dropout: 0,
    modules_to_save: null,
    peft_type: "LORA",
    r: config.rank,
    revision: revision ?? null,
    target_modules: [...config.targets],
    task_type: "SEQ_2_SEQ_LM",
    use_rslora: config.rankStabilized ?? false,
  };
}

/** Whether a folder holds an adapter and no weights of its own. */
export function isAdapterFolder(dir: string): boolean {
  const weights = ["model.safetensors", "model.safetensors.index.json"];
  return existsSync(join(dir, ADAPTER_CONFIG_FILE)) && !weights.some((file) => existsSync(join(dir, file)));
}

/** Reads adapter_config.json of a folder. Throws ArtifactError. */
export async function readAdapterConfig(dir: string): Promise<AdapterConfig> {
  const path = join(dir, ADAPTER_CONFIG_FILE);
  const fix = `An adapter folder holds ${ADAPTER_CONFIG_FILE} and ${ADAPTER_WEIGHTS_FILE}.`;
  return parseAdapterConfig(await readJson(path, { fix }), path);
}
