// The parameters of a T5 under their Hugging Face names, with the shapes that the config promises.
// Projections are [out, in] in the file and [in, out] in memory, so that the forward product needs no transposed operand.

import type { T5Config } from "../../shared/t5-config.ts";
import type { Tensor, Tensor1D, Tensor2D } from "../tensorflow/tensorflow.ts";

/**
 * Name under which parameters carry the factor alpha / r of a low-rank adapter, a scalar. Where it is present, the base weights are
 * frozen and only the matrices of the adapter are trained.
 */
export const ADAPTER_SCALE = "adapter_scale";

/** Names of an adapter's matrices beside the projection's own weight: A [in, r] and B [r, out] in memory. */
export const loraA = (projection: string): string => `${projection}.lora_A.weight`;
export const loraB = (projection: string): string => `${projection}.lora_B.weight`;

/** The token embedding, and the output projection of a model that has one of its own. */
export const EMBEDDING = "shared.weight";
export const HEAD = "lm_head.weight";

/** Names under which checkpoints repeat the embedding, or have it instead of under its own (transformers issue 48154). */
export const EMBEDDING_ALIASES = ["encoder.embed_tokens.weight", "decoder.embed_tokens.weight"] as const;

/** What the first code of T5 saved and no T5 reads: cross-attention has no positions (the original t5-small; transformers issue 9157). */
export const UNREAD = ["decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight"] as const;

/** The table of relative positions that a layer's self-attention reads. */
export function biasTable(
  { ownBiasTables }: Pick<T5Config, "ownBiasTables">,
  stack: "encoder" | "decoder",
  layer: number,
): string {
  return `${stack}.block.${ownBiasTables ? layer : 0}.layer.0.SelfAttention.relative_attention_bias.weight`;
}

/** Name -> tensor, in memory layout. */
export type Parameters = Readonly<Record<string, Tensor>>;

export interface ParameterSpec {
  name: string;
  /** Shape in the file. */
  shape: number[];
  /** true: in memory the transpose of the file's matrix. */
  transposed: boolean;
}

function attentionSpecs(prefix: string, config: T5Config, bias?: string): ParameterSpec[] {
  const inner = config.numHeads * config.dKv;
  const specs = ["q", "k", "v"].map((p) => ({
    name: `${prefix}.${p}.weight`,
    shape: [inner, config.dModel],
    transposed: true,
  }));
  specs.push({ name: `${prefix}.o.weight`, shape: [config.dModel, inner], transposed: true });
  if (bias === `${prefix}.relative_attention_bias.weight`) {
    specs.push({
      name: bias,
      shape: [config.relativeAttentionNumBuckets, config.numHeads],
      transposed: false,
    });
  }
  return specs;
}

function feedForwardSpecs(prefix: string, config: T5Config): ParameterSpec[] {
  const inputs = config.gatedGelu ? ["wi_0", "wi_1"] : ["wi"];
  return [
    ...inputs.map((p) => ({ name: `${prefix}.${p}.weight`, shape: [config.dFf, config.dModel], transposed: true })),
    { name: `${prefix}.wo.weight`, shape: [config.dModel, config.dFf], transposed: true },
  ];
}

/**
 * Every parameter of the model, in the order of the forward pass. `ownHead`: the checkpoint has an `lm_head.weight` of its own;
 * without one the head is the embedding (scaled only when the config ties them, see `headInput` in t5.ts).
 */
export function parameterSpecs(config: T5Config, ownHead: boolean): ParameterSpec[] {
  const norm = (name: string): ParameterSpec => ({ name: `${name}.weight`, shape: [config.dModel], transposed: false });
  const specs: ParameterSpec[] = [{ name: EMBEDDING, shape: [config.vocabSize, config.dModel], transposed: false }];
  for (let i = 0; i < config.numLayers; i++) {
    const block = `encoder.block.${i}.layer`;
    const bias = biasTable(config, "encoder", i);
    specs.push(...attentionSpecs(`${block}.0.SelfAttention`, config, bias), norm(`${block}.0.layer_norm`));
    specs.push(...feedForwardSpecs(`${block}.1.DenseReluDense`, config), norm(`${block}.1.layer_norm`));
  }
  specs.push(norm("encoder.final_layer_norm"));
  for (let i = 0; i < config.numDecoderLayers; i++) {
    const block = `decoder.block.${i}.layer`;
    const bias = biasTable(config, "decoder", i);
    specs.push(...attentionSpecs(`${block}.0.SelfAttention`, config, bias), norm(`${block}.0.layer_norm`));
    specs.push(...attentionSpecs(`${block}.1.EncDecAttention`, config), norm(`${block}.1.layer_norm`));
    specs.push(...feedForwardSpecs(`${block}.2.DenseReluDense`, config), norm(`${block}.2.layer_norm`));
  }
  specs.push(norm("decoder.final_layer_norm"));
  if (ownHead) specs.push({ name: HEAD, shape: [config.vocabSize, config.dModel], transposed: false });
  return specs;
}

/** A matrix by name; throws when the set has none. */
export function matrix(parameters: Parameters, name: string): Tensor2D {
  const tensor = parameters[name];
  if (tensor?.rank !== 2) throw new Error(`no matrix ${name}`);
  return tensor as Tensor2D;
}

/** A vector by name; throws when the set has none. */
export function vector(parameters: Parameters, name: string): Tensor1D {
  const tensor = parameters[name];
  if (tensor?.rank !== 1) throw new Error(`no vector ${name}`);
  return tensor as Tensor1D;
}

/**
 * Tensors under `prefix` that training changes there: the adapter's where there is one, else all but the bias table, which is read outside
 * of blocks.
 */
export function trainedWithin(parameters: Parameters, prefix: string): Tensor[] {
  const adapted = ADAPTER_SCALE in parameters;
  return Object.entries(parameters).flatMap(([name, tensor]) => {
    const trained = adapted ? name.includes(".lora_") : !name.includes("relative_attention_bias");
    return trained && name.startsWith(`${prefix}.`) ? [tensor] : [];
  });
}
