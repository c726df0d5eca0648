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

export const DTYPES = ["fp32", "int8"] as const;
export type Dtype = (typeof DTYPES)[number];

/** File suffix by weight type, as transformers.js expects it. */
export const DTYPE_SUFFIX: Record<Dtype, string> = { fp32: "", int8: "_quantized" };

/** Path of a graph inside the model folder. */
export function onnxFile(graph: "encoder_model" | "decoder_model_merged", dtype: Dtype): string {
  return `onnx/${graph}${DTYPE_SUFFIX[dtype]}.onnx`;
}
