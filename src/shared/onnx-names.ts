// Names of the exported graphs' inputs and outputs: the contract between the export and every runtime that loads the files
// (the same names as Hugging Face Optimum's T5 export, so that transformers.js loads them unchanged).

export const ENCODER_INPUTS = { inputIds: "input_ids", attentionMask: "attention_mask" } as const;
export const ENCODER_OUTPUT = "last_hidden_state";
export const DECODER_INPUTS = {
  inputIds: "input_ids",
  encoderAttentionMask: "encoder_attention_mask",
  encoderHiddenStates: "encoder_hidden_states",
} as const;
export const LOGITS = "logits";

/** Inputs and outputs of the worker's own three graphs, beside the cache, mask and logits named here for all. */
export const LEAN = {
  inputEmbeddings: "inputs_embeds",
  encoderAttentionMask: "encoder_attention_mask",
  hiddenStates: "hidden_states",
  /** Decoder: `[B]`, how many positions of the past are each row's own, and those of the longest row with this run's, a number. */
  pastLengths: "past_lengths",
  totalLength: "total_length",
  /** A number, only where the model has an adapter: 0 is the base model, 1 the adapted one. */
  adapterScale: "adapter_scale",
} as const;

export type CacheSide = "decoder" | "encoder";
export type CachePart = "key" | "value";

/** Decoder input that carries earlier keys or values, `[batch_size, H, past, K]`; empty (past = 0) at the first step. */
export function pastName(layer: number, side: CacheSide, part: CachePart): string {
  return `past_key_values.${layer}.${side}.${part}`;
}

/** Decoder output to feed back as `pastName` at the next step. */
export function presentName(layer: number, side: CacheSide, part: CachePart): string {
  return `present.${layer}.${side}.${part}`;
}

export const DTYPES = ["fp32", "int8", "q4"] as const;
export type Dtype = (typeof DTYPES)[number];

/** What an export holds unless other types are asked for: transformers.js takes fp32 on Node and int8 in the browser. */
export const DEFAULT_DTYPES: readonly Dtype[] = ["fp32", "int8"];

/** File suffix by weight type, as transformers.js expects it. */
const DTYPE_SUFFIX: Record<Dtype, string> = { fp32: "", int8: "_quantized", q4: "_q4" };

/** Path of a graph inside the model folder. */
export function onnxFile(graph: "encoder_model" | "decoder_model_merged", dtype: Dtype): string {
  return `onnx/${graph}${DTYPE_SUFFIX[dtype]}.onnx`;
}

/** Values of an embedding row that share a scale; a row whose width is no multiple of it has one scale. */
export const LEAN_EMBEDDING_GROUP = 32;

export type LeanGraph = "encoder" | "decoder" | "head";

/** Path of one of the worker's own graphs inside the model folder; its weights lie beside it in numbered shards. */
export function leanFile(graph: LeanGraph): string {
  return `onnx/lean_${graph}.onnx`;
}
