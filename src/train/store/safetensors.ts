// The safetensors format (https://huggingface.co/docs/safetensors, "Format"): an 8-byte length, a JSON header, raw tensors.
// One tensor at a time in both directions, so a model is never in memory twice.

export type { TensorInfo } from "../io/safetensors/header.ts";
export { openSafetensors, type TensorReader } from "../io/safetensors/reader.ts";
export { type TensorToWrite, WEIGHT_TYPES, type WeightType, writeSafetensors } from "../io/safetensors/writer.ts";
export { openModelTensors } from "./model-tensors.ts";
